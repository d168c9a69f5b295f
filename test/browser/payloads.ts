/** Ways to run a script where a text is taken for markup, for an attribute, a URL or code. */
const vectors: readonly string[] = [
  "<script>HIT</script>",
  "<SCRIPT SRC=http://127.0.0.1:9/x.js></SCRIPT>",
  "<img src=x onerror=HIT>",
  "<svg onload=HIT>",
  "<svg><script>HIT</script></svg>",
  "<svg><animate onbegin=HIT attributeName=x dur=1s>",
  "<svg><set attributeName=onmouseover to=HIT>",
  "<body onload=HIT>",
  "<iframe srcdoc='<script>parent.HIT</script>'>",
  "<iframe src='javascript:parent.HIT'>",
  "<object data='javascript:HIT'>",
  "<embed src='javascript:HIT'>",
  "<a href='javascript:HIT' autofocus onfocus=HIT>x</a>",
  "<input autofocus onfocus=HIT>",
  "<details open ontoggle=HIT>",
  "<video><source onerror=HIT></video>",
  "<math><mtext><img src=x onerror=HIT></mtext></math>",
  "<style>@import 'javascript:HIT';</style><style onload=HIT></style>",
  "<link rel=stylesheet href='data:text/css,' onload=HIT>",
  "<meta http-equiv=refresh content='0;url=javascript:HIT'>",
  "<base href='javascript:HIT//'>",
  "<foreignObject><img src=x onerror=HIT></foreignObject>",
  "javascript:HIT",
  "\u0024{HIT}",
  "{{constructor.constructor('HIT')()}}",
];

/** What ends the place that the text may stand in. */
const breakouts: readonly string[] = [
  "",
  "\"'>",
  "</script></title></style></text></svg>",
  "--></textarea>]]>\u2028\u0000",
];

/** Sets this on the page's global object when one of the payloads runs. */
export const HIT_MARK = "wasHit";

/** 100 texts of which none may ever run. */
export const payloads: readonly string[] = breakouts.flatMap((breakout) =>
  vectors.map((vector) => `${breakout}${vector.replaceAll("HIT", `top.${HIT_MARK}=1`)}`),
);
