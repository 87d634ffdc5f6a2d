//! `color_decode`: a colour in another notation.

use super::colors::{Color, name_of};
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "color_decode",
    family: "decode",
    summary: "Writes a colour in another notation: hexadecimal, RGB, HSL, HSV, by name, as a list.",
    details: "Names are the basic ones of CSS and those in common use.",
    options: &[
        FIELD,
        required(
            "output_format",
            "`hex`, `rgb`, `rgba`, `hsl`, `hsla`, `hsv`, `hsva`, `name`, `rgb_array`, `hsl_array` or `hsv_array`.",
        ),
        TARGET_FIELD,
        optional("input_format", "auto", "`auto`, `hex`, `rgb`, `hsl`, `hsv` or `name`."),
        optional("alpha", "1.0", "The opacity of colours that say none."),
        optional("uppercase", "false", "Write hexadecimal digits in capitals."),
        optional("short_hex", "false", "Write three hexadecimal digits where they are enough."),
        optional("percent_rgb", "false", "Write red, green and blue in per cent."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "notations",
            event: r##"{"a": "#ff5733", "b": "red", "c": "rgb(100, 150, 200)", "d": "#80ff80", "e": "hsv(210, 50%, 78.43%)"}"##,
            processors: "- color_decode: {field: a, output_format: rgb}\n- color_decode: {field: b, output_format: hex, uppercase: true, short_hex: true}\n- color_decode: {field: c, output_format: hsla, alpha: 0.8}\n- color_decode: {field: d, output_format: rgb, percent_rgb: true}\n- color_decode: {field: e, output_format: rgb_array}",
            outcome: Outcome::Event(
                r##"{"a": "rgb(255, 87, 51)", "b": "#F00", "c": "hsla(210, 48%, 59%, 0.8)", "d": "rgb(50%, 100%, 50%)", "e": [100, 150, 200]}"##,
            ),
        },
        Example {
            title: "no colour",
            event: r#"{"a": "loud"}"#,
            processors: "- color_decode: {field: a, output_format: hex}",
            outcome: Outcome::Fails("is no colour"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Input {
    Auto,
    Hex,
    Function(&'static str),
    Name,
}

#[derive(Clone, Copy)]
enum Model {
    Rgb,
    Hsl,
    Hsv,
}

#[derive(Clone, Copy)]
enum Output {
    Hex,
    Name,
    /// `rgb(…)`, perhaps with the opacity.
    Function(Model, bool),
    List(Model),
}

struct ColorDecode {
    target: Target,
    input: Input,
    output: Output,
    alpha: f64,
    uppercase: bool,
    short: bool,
    percent: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("output_format")?;
    let outputs = [
        ("hex", Output::Hex),
        ("rgb", Output::Function(Model::Rgb, false)),
        ("rgba", Output::Function(Model::Rgb, true)),
        ("hsl", Output::Function(Model::Hsl, false)),
        ("hsla", Output::Function(Model::Hsl, true)),
        ("hsv", Output::Function(Model::Hsv, false)),
        ("hsva", Output::Function(Model::Hsv, true)),
        ("name", Output::Name),
        ("rgb_array", Output::List(Model::Rgb)),
        ("hsl_array", Output::List(Model::Hsl)),
        ("hsv_array", Output::List(Model::Hsv)),
    ];
    let inputs = [
        ("auto", Input::Auto),
        ("hex", Input::Hex),
        ("rgb", Input::Function("rgb")),
        ("hsl", Input::Function("hsl")),
        ("hsv", Input::Function("hsv")),
        ("name", Input::Name),
    ];
    let alpha = options.text("alpha")?.map_or(Some(1.0), |text| text.trim().parse().ok());
    let Some(alpha) = alpha.filter(|alpha: &f64| (0.0..=1.0).contains(alpha)) else {
        let at = options.place_of("alpha");
        return Err(options.error(&at, "`alpha` is a number from 0 to 1", ""));
    };
    Ok(Box::new(ColorDecode {
        target: Target::read(options)?,
        input: options.choice("input_format", &inputs)?,
        output: options.choice("output_format", &outputs)?,
        alpha,
        uppercase: options.flag("uppercase", false)?,
        short: options.flag("short_hex", false)?,
        percent: options.flag("percent_rgb", false)?,
    }))
}

impl Processor for ColorDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default().trim();
            let color = match self.input {
                Input::Auto => Color::from_any(text),
                Input::Hex => Color::from_hex(text),
                Input::Function(name) => Color::from_function(text, name),
                Input::Name => Color::from_name(text),
            };
            self.written(cx, color.ok_or(Failure::fixed("is no colour"))?)
        })?;
        Ok(Flow::Next)
    }
}

impl ColorDecode {
    fn written(&self, cx: &mut Context<'_>, color: Color) -> Result<Slot, Failure> {
        let text = match self.output {
            Output::Hex => self.hex(color.rgb()),
            Output::Name => match name_of(color.rgb()) {
                Some(name) => name.to_owned(),
                None => return Err(Failure::fixed("is a colour without a name")),
            },
            Output::Function(model, with_alpha) => self.function(color, model, with_alpha),
            Output::List(model) => {
                let mut list = Children::EMPTY;
                for value in self.values(color, model) {
                    cx.event.push_to(&mut list, Slot::Int(value.round() as i64))?;
                }
                return Ok(Slot::List(list));
            }
        };
        Ok(cx.event.text(text.as_bytes())?)
    }

    fn values(&self, color: Color, model: Model) -> [f64; 3] {
        match model {
            Model::Rgb => color.rgb().map(f64::from),
            Model::Hsl => color.hsl(),
            Model::Hsv => color.hsv(),
        }
    }

    fn hex(&self, [r, g, b]: [u8; 3]) -> String {
        let is_short = self.short && [r, g, b].iter().all(|value| value >> 4 == value & 15);
        let text = if is_short {
            format!("#{:x}{:x}{:x}", r & 15, g & 15, b & 15)
        } else {
            format!("#{r:02x}{g:02x}{b:02x}")
        };
        if self.uppercase { text.to_uppercase() } else { text }
    }

    fn function(&self, color: Color, model: Model, with_alpha: bool) -> String {
        let [a, b, c] = self.values(color, model).map(f64::round);
        let (name, inner) = match model {
            Model::Rgb if self.percent => {
                let [r, g, b] = color.shares().map(|share| (share * 100.0).round());
                ("rgb", format!("{r}%, {g}%, {b}%"))
            }
            Model::Rgb => ("rgb", format!("{a}, {b}, {c}")),
            Model::Hsl => ("hsl", format!("{a}, {b}%, {c}%")),
            Model::Hsv => ("hsv", format!("{a}, {b}%, {c}%")),
        };
        if with_alpha {
            let alpha = (color.alpha.unwrap_or(self.alpha) * 1000.0).round() / 1000.0;
            format!("{name}a({inner}, {alpha})")
        } else {
            format!("{name}({inner})")
        }
    }
}
