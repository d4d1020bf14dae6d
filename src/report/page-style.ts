/** Style of the report: one column on a phone, three on a desk, light or dark as the reader's system is. */
export const pageStyle = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #1b2430; --soft: #5b6776; --rule: #e2e6eb;
  --c0: #1f6fd1; --c1: #c4570a; --c2: #15806b; --c3: #8344c9; }
@media (prefers-color-scheme: dark) { :root { --ground: #12161c; --card: #1b2129; --ink: #e6eaef; --soft: #98a4b3; --rule: #2c343f;
  --c0: #6aaeff; --c1: #f29b54; --c2: #4cc9ac; --c3: #c09bff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 18px; margin: 36px 0 12px; }
h3 { font-size: 14px; margin: 0; overflow-wrap: anywhere; } p { margin: 4px 0; }
.soft, .card p { color: var(--soft); font-size: 13px; line-height: 1.4; }
.grid3 { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(min(300px, 100%), 1fr)); }
.tiles { display: grid; gap: 12px; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); margin-top: 16px; }
.card, .tile { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; min-width: 0; }
.tile b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
.head { display: flex; justify-content: space-between; gap: 8px; align-items: baseline; }
.head span { font-variant-numeric: tabular-nums; color: var(--soft); font-size: 13px; white-space: nowrap; }
svg { display: block; width: 100%; height: auto; margin-top: 6px; }
.tick { fill: var(--soft); font: 10.5px system-ui, sans-serif; } .grid { stroke: var(--rule); }
.mark { stroke: var(--soft); stroke-dasharray: 3 3; } .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.faint { opacity: .3; stroke-width: 1; } .hit { fill: transparent; } .hit:hover { fill: var(--ink); fill-opacity: .35; }
.s0 { stroke: var(--c0); } .s1 { stroke: var(--c1); } .s2 { stroke: var(--c2); } .s3 { stroke: var(--c3); }
.dot.s0 { fill: var(--c0); } .dot.s1 { fill: var(--c1); } .dot.s2 { fill: var(--c2); } .dot.s3 { fill: var(--c3); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 0; margin: 4px 0; list-style: none; font-size: 12px; }
.legend i { display: inline-block; width: 14px; height: 0; border-top: 2px solid; margin-right: 5px; vertical-align: middle; }
.k0 { color: var(--c0); } .k1 { color: var(--c1); } .k2 { color: var(--c2); } .k3 { color: var(--c3); }
pre { margin: 6px 0 0; white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, monospace; }
pre .prompt { color: var(--soft); } details { margin-top: 10px; } summary { cursor: pointer; color: var(--soft); font-size: 13px; }
.sample { border-left: 3px solid var(--c2); } .sample.worst { border-left-color: var(--c1); }
.note { background: var(--card); border: 1px solid var(--rule); border-left: 3px solid var(--c0); border-radius: 8px; padding: 10px 14px; margin-top: 16px; }
`;
