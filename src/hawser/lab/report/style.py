"""Style of a report's page: by day, by night, on a phone, on paper."""

from typing import Final

from hawser.lab.report.colours import Colours


def style() -> str:
    """The style sheet. Every colour is a variable, which figures use, too."""
    light, dark = _variables(Colours(dark=False)), _variables(Colours(dark=True))
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"{_RULES}"
        f"@media print{{:root,:root[data-theme],:root:not([data-theme=light]){{color-scheme:light;{light}}}\n{_PAPER}}}\n"
    )


def _variables(colours: Colours) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.roles().items())


_RULES: Final = """
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",
sans-serif}
main,header{max-width:60rem;margin:0 auto;padding:0 1rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center;justify-content:space-between;padding-top:1.25rem}
h1{font-size:1.6rem;line-height:1.2;margin:0}
h2{font-size:1.3rem;line-height:1.25;margin:2.5rem 0 .75rem}
h3{font-size:1rem;margin:1.5rem 0 .4rem}
p,dd,ul{margin:.4rem 0}
a{color:inherit;text-decoration-color:var(--faint);text-underline-offset:.15em}
a:hover{text-decoration-color:currentColor}
code,.number{font-variant-numeric:tabular-nums}
code{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:.9em}
.faint{color:var(--faint)}
.small{font-size:.875rem}
.themes{border:1px solid var(--grid);border-radius:.5rem;padding:.15rem;margin:0;display:flex}
.themes legend{position:absolute;clip-path:inset(50%);width:1px;height:1px;overflow:hidden}
.themes label{position:relative;cursor:pointer}
.themes input{position:absolute;opacity:0;inset:0;margin:0;cursor:pointer}
.themes span{display:block;padding:.15rem .6rem;border-radius:.35rem;font-size:.85rem}
.themes input:checked+span{background:var(--ink);color:var(--paper)}
.themes input:focus-visible+span{outline:2px solid var(--s0);outline-offset:1px}
.sum{border:1px solid var(--grid);border-left:.4rem solid var(--good);border-radius:.4rem;background:var(--lane);
padding:.7rem 1rem;margin:1.25rem 0}
.sum.open{border-left-color:var(--faint)}
.sum.alarm{border:.2rem solid var(--bad);border-left-width:.6rem}
.sum strong{font-size:1.15rem}
.alarm strong,.fails{color:var(--bad)}
.holds{color:var(--good)}
.sum ul{padding-left:1.2rem}
.verdict{font-weight:700;white-space:nowrap}
.tag{display:inline-block;border:1px solid var(--grid);border-radius:.3rem;padding:0 .35rem;font-size:.8rem;white-space:nowrap;
background:var(--lane)}
.wide{overflow-x:auto;margin:.5rem 0 1rem}
table{border-collapse:collapse;font-size:.9rem}
caption{text-align:left;font-weight:600;padding:.2rem 0}
th,td{padding:.35rem .7rem .35rem 0;text-align:left;vertical-align:top;border-bottom:1px solid var(--grid)}
th{font-weight:600;border-bottom-color:var(--faint)}
td.number,th.number{text-align:right;white-space:nowrap}
.overview,.claims{width:100%}
tr.failing td{background:color-mix(in srgb,var(--bad) 12%,var(--paper));border-bottom-color:var(--bad);font-weight:600}
tr.failing td:first-child{border-left:.35rem solid var(--bad);padding-left:.5rem}
article{border-top:2px solid var(--ink);margin-top:3rem;padding-top:.25rem}
article.failing{border:.2rem solid var(--bad);border-top-width:.5rem;border-radius:.4rem;padding:.25rem 1rem 1rem;
margin-left:-1rem;margin-right:-1rem}
article>h2{margin-top:1rem;display:flex;flex-wrap:wrap;gap:.2rem 1rem;justify-content:space-between;align-items:baseline}
article>h2 .verdict{font-size:1rem}
dl{display:grid;grid-template-columns:9rem 1fr;gap:.25rem 1rem;margin:.5rem 0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
.parameters{display:grid;grid-template-columns:repeat(auto-fill,minmax(14rem,1fr));gap:.1rem 1.5rem}
.parameters div{display:flex;justify-content:space-between;gap:.6rem;border-bottom:1px dotted var(--grid)}
.parameters div.long{grid-column:1/-1}
.parameters span:first-child{flex:none}
figure{margin:1.25rem 0;padding:.75rem;border:1px solid var(--grid);border-radius:.4rem}
figcaption{font-weight:600}
figure .wide{margin:0}
figure .files{font-size:.8rem;font-weight:400;color:var(--faint);margin:.25rem 0 0}
figure svg{display:block;width:100%;min-width:28rem;max-width:50rem;height:auto;
stroke-linejoin:round;stroke-linecap:butt}
details{margin:.5rem 0;font-size:.875rem;font-weight:400}
summary{cursor:pointer}
details td{white-space:nowrap}
footer{max-width:60rem;margin:3rem auto 2rem;padding:0 1rem;color:var(--faint);font-size:.85rem}
@media (max-width:40rem){
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}
article.failing{margin-left:-.6rem;margin-right:-.6rem;padding:.25rem .6rem .6rem}
.stacked thead{display:none}
.stacked,.stacked tbody,.stacked tr,.stacked td{display:block;width:100%}
.stacked tr{border-bottom:1px solid var(--faint);padding:.4rem 0}
.stacked td{border:0;padding:.1rem 0 .1rem .3rem}
.stacked td.number{text-align:left;white-space:normal}
.stacked td[data-name]::before{content:attr(data-name) ": ";color:var(--faint);font-weight:400}
.stacked tr.failing{border-left:.35rem solid var(--bad)}
.stacked tr.failing td:first-child{border-left:0;padding-left:.3rem}
.stacked td:empty{display:none}
}
"""

_PAPER: Final = """body{font-size:10pt}
.themes,.files,details{display:none}
main,header,footer{max-width:none;padding:0}
article{break-before:page;margin-top:0}
article.failing{margin-left:0;margin-right:0}
figure,tr,.sum{break-inside:avoid}
h2,h3,caption{break-after:avoid}
figure svg{min-width:0;max-width:16cm}
.wide{overflow:visible}
table{font-size:8pt}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
"""

# The switch. Without it the page follows the reader's system.
SCRIPT: Final = """(function(){
var root=document.documentElement,key="hawser-theme",kept=null;
try{kept=localStorage.getItem(key)}catch(error){}
function show(theme){if(theme==="auto"){root.removeAttribute("data-theme")}else{root.setAttribute("data-theme",theme)}}
if(kept!=="light"&&kept!=="dark"){kept="auto"}
show(kept);
document.addEventListener("DOMContentLoaded",function(){
document.querySelectorAll(".themes input").forEach(function(input){
input.checked=input.value===kept;
input.addEventListener("change",function(){show(input.value);try{localStorage.setItem(key,input.value)}catch(error){}});
});});
})();"""
