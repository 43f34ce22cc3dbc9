"""The page's style sheet: light and dark, from a phone to a wide screen."""

CSS = """
:root { color-scheme: light dark; --text: #1d232b; --soft: #5b6670; --back: #fff; --line: #dfe3e8; --mark: #fff4d6 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7eb; --soft: #9aa5b1; --back: #14181d; --line: #333b45; --mark: #4a3b10 }
}
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 }
h2 { font-size: 1.3rem; margin: 3rem 0 1rem; border-top: 2px solid var(--line); padding-top: 1rem }
h3 { font-size: 1.1rem; margin: 2rem 0 .5rem }
ul { padding-left: 1.2rem }
li { margin: .25rem 0 }
.note { background: var(--mark); padding: .75rem 1rem; border-radius: .4rem; font-weight: 600 }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums }
caption { text-align: left; color: var(--soft); padding: .25rem 0 }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th { color: var(--soft); font-weight: 600 }
th:first-child, td:first-child { text-align: left; padding-left: 0 }
details th:last-child, details td:last-child { text-align: left; white-space: normal; overflow-wrap: anywhere }
figure { margin: 2rem 0 }
figcaption { color: var(--soft); margin-bottom: .5rem }
img { display: block; width: 100%; min-width: 40rem; border-radius: .4rem; background: #fff }
details { margin: .75rem 0 }
summary { cursor: pointer; font-weight: 600 }
pre { overflow-x: auto; font-size: .8rem; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem }
footer { margin: 3rem 0 1rem; color: var(--soft); font-size: .875rem; overflow-wrap: anywhere }
a { color: inherit }
"""
