//! Colours: reading and writing the notations of CSS.

/// A colour with its opacity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Color {
    red: f64,
    green: f64,
    blue: f64,
    pub(super) alpha: Option<f64>,
}

/// Names of CSS, with their values: the basic ones and those in common use.
const NAMES: [(&str, u32); 46] = [
    ("black", 0x000000),
    ("silver", 0xc0c0c0),
    ("gray", 0x808080),
    ("white", 0xffffff),
    ("maroon", 0x800000),
    ("red", 0xff0000),
    ("purple", 0x800080),
    ("magenta", 0xff00ff),
    ("green", 0x008000),
    ("lime", 0x00ff00),
    ("olive", 0x808000),
    ("yellow", 0xffff00),
    ("navy", 0x000080),
    ("blue", 0x0000ff),
    ("teal", 0x008080),
    ("cyan", 0x00ffff),
    ("orange", 0xffa500),
    ("aqua", 0x00ffff),
    ("fuchsia", 0xff00ff),
    ("grey", 0x808080),
    ("aquamarine", 0x7fffd4),
    ("azure", 0xf0ffff),
    ("beige", 0xf5f5dc),
    ("brown", 0xa52a2a),
    ("chocolate", 0xd2691e),
    ("coral", 0xff7f50),
    ("crimson", 0xdc143c),
    ("darkblue", 0x00008b),
    ("darkgreen", 0x006400),
    ("darkred", 0x8b0000),
    ("gold", 0xffd700),
    ("indigo", 0x4b0082),
    ("ivory", 0xfffff0),
    ("khaki", 0xf0e68c),
    ("lavender", 0xe6e6fa),
    ("lightblue", 0xadd8e6),
    ("lightgreen", 0x90ee90),
    ("orchid", 0xda70d6),
    ("pink", 0xffc0cb),
    ("plum", 0xdda0dd),
    ("salmon", 0xfa8072),
    ("skyblue", 0x87ceeb),
    ("tan", 0xd2b48c),
    ("tomato", 0xff6347),
    ("turquoise", 0x40e0d0),
    ("violet", 0xee82ee),
];

/// The name of a colour, if it has one.
pub(super) fn name_of([red, green, blue]: [u8; 3]) -> Option<&'static str> {
    let value = u32::from_be_bytes([0, red, green, blue]);
    NAMES.iter().find(|(_, known)| *known == value).map(|(name, _)| *name)
}

impl Color {
    /// `#f00`, `#ff0000`, with opacity `#f008`, `#ff000080`; the sign may be missing.
    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let digits: Vec<u32> =
            text.strip_prefix('#').unwrap_or(text).chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
        let values: Vec<f64> = match digits.len() {
            3 | 4 => digits.iter().map(|digit| f64::from(digit * 17)).collect(),
            6 | 8 => digits.chunks(2).map(|pair| f64::from(pair[0] * 16 + pair[1])).collect(),
            _ => return None,
        };
        let alpha = values.get(3).map(|value| value / 255.0);
        Some(Self { red: values[0], green: values[1], blue: values[2], alpha })
    }

    /// By its name.
    pub(super) fn from_name(text: &str) -> Option<Self> {
        let (_, value) = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text))?;
        let [_, red, green, blue] = value.to_be_bytes();
        Some(Self { red: red.into(), green: green.into(), blue: blue.into(), alpha: None })
    }

    /// `rgb(255, 0, 0)`, `rgba(100%, 0%, 0%, 0.5)`, `hsl(…)`, `hsv(…)`.
    pub(super) fn from_function(text: &str, function: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let inner = lower.strip_prefix(function)?;
        let inner = inner.strip_prefix('a').unwrap_or(inner).trim().strip_prefix('(')?.strip_suffix(')')?;
        let parts: Vec<&str> =
            inner.split([',', '/', ' ']).map(str::trim).filter(|part| !part.is_empty()).collect();
        if !(3..=4).contains(&parts.len()) {
            return None;
        }
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let percent =
            |text: &str| Some((number(text.strip_suffix('%').unwrap_or(text))? / 100.0).clamp(0.0, 1.0));
        let alpha = match parts.get(3) {
            None => None,
            Some(text) if text.ends_with('%') => Some(percent(text)?),
            Some(text) => Some(number(text)?.clamp(0.0, 1.0)),
        };
        let [red, green, blue] = match function {
            "rgb" => {
                let channel = |text: &str| match text.strip_suffix('%') {
                    Some(_) => Some(percent(text)? * 255.0),
                    None => number(text).map(|value| value.clamp(0.0, 255.0)),
                };
                [channel(parts[0])?, channel(parts[1])?, channel(parts[2])?]
            }
            _ => {
                let hue = number(parts[0].trim_end_matches("deg"))?.rem_euclid(360.0);
                let (second, third) = (percent(parts[1])?, percent(parts[2])?);
                if function == "hsl" { by_hsl(hue, second, third) } else { by_hsv(hue, second, third) }
            }
        };
        Some(Self { red, green, blue, alpha })
    }

    /// In whichever of these notations.
    pub(super) fn from_any(text: &str) -> Option<Self> {
        let by_function = || ["rgb", "hsl", "hsv"].iter().find_map(|name| Self::from_function(text, name));
        let hex = || Self::from_hex(text);
        if text.starts_with('#') {
            hex()
        } else {
            by_function().or_else(|| Self::from_name(text)).or_else(hex)
        }
    }

    pub(super) fn rgb(self) -> [u8; 3] {
        [self.red, self.green, self.blue].map(|value| value.round() as u8)
    }

    /// Shares of red, green and blue.
    pub(super) fn shares(self) -> [f64; 3] {
        [self.red, self.green, self.blue].map(|value| value / 255.0)
    }

    /// Hue in degrees, saturation and lightness in per cent.
    pub(super) fn hsl(self) -> [f64; 3] {
        let (hue, max, min) = self.hue();
        let lightness = f64::midpoint(max, min);
        let saturation = if max > min { (max - min) / (1.0 - (2.0 * lightness - 1.0).abs()) } else { 0.0 };
        [hue, saturation * 100.0, lightness * 100.0]
    }

    /// Hue in degrees, saturation and value in per cent.
    pub(super) fn hsv(self) -> [f64; 3] {
        let (hue, max, min) = self.hue();
        let saturation = if max > 0.0 { (max - min) / max } else { 0.0 };
        [hue, saturation * 100.0, max * 100.0]
    }

    fn hue(self) -> (f64, f64, f64) {
        let [red, green, blue] = self.shares();
        let (max, min) = (red.max(green).max(blue), red.min(green).min(blue));
        let range = max - min;
        let sector = if range == 0.0 {
            0.0
        } else if max == red {
            (green - blue) / range
        } else if max == green {
            (blue - red) / range + 2.0
        } else {
            (red - green) / range + 4.0
        };
        ((sector * 60.0).rem_euclid(360.0), max, min)
    }
}

fn by_hsl(hue: f64, saturation: f64, lightness: f64) -> [f64; 3] {
    let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * saturation;
    by_chroma(hue, chroma, lightness - chroma / 2.0)
}

fn by_hsv(hue: f64, saturation: f64, value: f64) -> [f64; 3] {
    let chroma = value * saturation;
    by_chroma(hue, chroma, value - chroma)
}

fn by_chroma(hue: f64, chroma: f64, least: f64) -> [f64; 3] {
    let sector = hue / 60.0;
    let middle = chroma * (1.0 - (sector % 2.0 - 1.0).abs());
    let shares = match sector as u8 {
        0 => [chroma, middle, 0.0],
        1 => [middle, chroma, 0.0],
        2 => [0.0, chroma, middle],
        3 => [0.0, middle, chroma],
        4 => [middle, 0.0, chroma],
        _ => [chroma, 0.0, middle],
    };
    shares.map(|share| (share + least) * 255.0)
}
