//! The bodies of `fuzz/` on a bounded number of seeded, mutated inputs.

mod bodies;

/// Inputs that lead deep into each body; they are cut, joined and changed.
const SEEDS: [&[u8]; 18] = [
    b"<34>1 2003-10-11T22:14:15.003Z host app 7 ID47 [x@1 a=\"b\\\"c\"][y@2] \xef\xbb\xbftext",
    b"<13>Feb  5 17:32:18 10.0.0.99 prog[12]: text %ASA-6-1: x",
    b"CEF:0|a\\|b|c|1.0|100|name|10|src=10.0.0.1 msg=a\\=b cs1Label=x cs1=y",
    b"LEEF:2.0|a|b|1|id|^|src=1.2.3.4^dst=5.6.7.8^x",
    b"{\"a\":[1,2.5e10,null,true,\"\\u00e9\\ud83d\\ude00\"],\"b\":{\"c\":{}},\"a\":1}",
    b"a=1 b=\"x y\" c=[z] =d e= f==g",
    b"a,\"b \"\"c\"\"\",,d\n",
    b"<a x=\"1\"><b>t&amp;u</b><!-- c --><![CDATA[d]]></a>",
    b"2024-02-29T12:34:56.789+01:00",
    b"1.2.3.4 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326 \"-\" \"x\"",
    b"%{a} [%{+b/2}] %{?c}=%{&d->}%{*e}\0x [y] z=w",
    b"%{IP:ip} (?<n>\\d+) (?=b)%{WORD:w:int}\x0010.0.0.1 17 b",
    b"any(split(message, ' '), {# matches '^[a-z]+$' and len(#) > 1}) ? a?.b ?? 'c' : [1, 2][0] in 1..3",
    b"message contains 'x' && !(a.b['c d'] == nil) || lower(message) startsWith \"y\" and 2 ** 3 >= 7 % 4",
    b"a {{message}} {{{b.c}}} {{ .d }} {{ len(message) + 1 }}\0text",
    b"{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":[\"null\",\"int\",{\"type\":\"array\",\"items\":\"string\"}]}]}\0{\"a\":[1,\"2\"]}",
    b"message m { required int64 a (TIMESTAMP(MICROS,true)); repeated group b (LIST) { optional binary c; } }\0{\"a\":\"2024-02-29\",\"b\":[{}]}",
    b"{\"message\":\"m\",\"a\":{\"b\":{\"c\":[[],{}]}}}",
];

/// How often each body runs.
const RUNS: usize = 1500;

/// A small generator: the runs are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit.max(1)
    }
}

fn mutated(chance: &mut Chance) -> Vec<u8> {
    let mut data = SEEDS[chance.below(SEEDS.len())].to_vec();
    for _ in 0..chance.below(6) {
        let at = chance.below(data.len() + 1);
        match chance.below(5) {
            0 => data.truncate(at),
            1 => data.insert(at, b"\0\xff\"\\[]{}(),=|^<>%$ \n9aA-"[chance.below(24)]),
            2 => data.extend_from_slice(SEEDS[chance.below(SEEDS.len())]),
            3 if at < data.len() => drop(data.remove(at)),
            _ if at < data.len() => data[at] ^= 1 << chance.below(8),
            _ => {}
        }
    }
    data
}

#[test]
fn no_bytes_make_a_body_panic() {
    for (n, body) in bodies::ALL.iter().enumerate() {
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ n as u64);
        for seed in SEEDS {
            bodies::run(body, seed);
        }
        for _ in 0..RUNS {
            bodies::run(body, &mutated(&mut chance));
        }
    }
}
