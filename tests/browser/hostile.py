"""Texts that a page must show and never obey."""

MARKUP = [
    "<script>alert({n})</script>",
    "<img src=x onerror=alert({n})>",
    "<svg onload=alert({n})>",
    "<iframe src='javascript:alert({n})'></iframe>",
    "<body onload=alert({n})>",
    "<a href='javascript:alert({n})'>press</a>",
    "<input autofocus onfocus=alert({n})>",
    "<details open ontoggle=alert({n})>",
    "<video><source onerror=alert({n})></video>",
    "<math><mi xlink:href='javascript:alert({n})'>x</mi></math>",
    "<style>@import 'https://evil.example/{n}.css';</style>",
    "<link rel=stylesheet href=https://evil.example/{n}.css>",
    "<img src=https://evil.example/{n}.png>",
    "<meta http-equiv=refresh content='0;url=https://evil.example/{n}'>",
    "<form action=https://evil.example/{n}><button>go</button></form>",
    "<base href=https://evil.example/{n}/>",
    "<object data=https://evil.example/{n}></object>",
    "<embed src=https://evil.example/{n}>",
    "<template><script>alert({n})</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert({n})>'>",
]
ESCAPES = ["{x}", "\"'>{x}", "</textarea>{x}", "*_~`{x}`~_*", "\u202e{x}\u0000&lt;"]
ADDRESSES = ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", " javascript:alert(1)"]

TEXTS = [
    escape.format(x=markup.format(n=number))
    for number, (markup, escape) in enumerate((markup, escape) for markup in MARKUP for escape in ESCAPES)
]

CORES = [
    *MARKUP,
    "<audio src=https://evil.example/{n}.ogg autoplay onplay=alert({n})>",
    "<button formaction=javascript:alert({n}) autofocus>",
    "<img srcset='https://evil.example/{n}.png 2x'>",
    "<p hx-get=https://evil.example/{n} hx-trigger=load>",
    "<p hx-on:load='alert({n})' hx-get=/console/overview hx-trigger=load>",
]
# Out of each kind of place in which a page may have put it.
WRAPS = [
    "{x}", '">{x}', "'>{x}", "-->{x}", "</title>{x}", "</textarea>{x}", "</pre></code>{x}", "*{x}*", "```{x}```",
    "> {x}", "https://a.example/{x}", "\u202e%3C&lt;{x}",
]  # fmt: skip
SHORT_TEXTS = [
    wrap.format(x=core.format(n=number))
    for number, (core, wrap) in enumerate((core, wrap) for core in CORES for wrap in WRAPS)
]
"""As short as the shortest place that people fill in, the name of a channel, allows."""
