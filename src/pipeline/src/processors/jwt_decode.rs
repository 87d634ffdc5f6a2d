//! `jwt_decode`: what a JSON Web Token says (RFC 7519). Its signature is **not** checked.

use super::target::{Target, add_field, add_text};
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use event::model::json_read::{JsonError, read_text};
use event::model::{Children, Slot};
use jiff::Timestamp;

pub(super) static SPEC: Spec = Spec {
    name: "jwt_decode",
    family: "decode",
    summary: "Decodes a JSON Web Token into its claims, header and signature, without checking the signature.",
    details: "`Bearer ` may stand before it. Beside `claims` stand `subject`, `issuer`, `audience`, `expiration`, `issued_at`, \
              `not_before` and `jwt_id`, and of a token that expires `is_expired` and `expires_in_seconds`. Never trust what is \
              decoded: nobody has checked who signed it.",
    options: &[
        FIELD,
        optional("target_field", "the field with _decoded behind", "Where the object goes."),
        optional("extract_header", "false", "Add the `header`."),
        optional("extract_claims", "true", "Add the `claims`."),
        optional("extract_signature", "false", "Add the `signature`, as it stands in the token."),
        optional("parse_dates", "false", "Add the times of claims as text: `exp_datetime`, `exp_readable` …"),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "claims",
            event: r#"{"t": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3IiwiZXhwIjoxNTE2MjM5MDIyfQ.c2ln"}"#,
            processors: "- jwt_decode: {field: t, extract_header: true, parse_dates: true, target_field: t}\n- remove: {field: t.expires_in_seconds}",
            outcome: Outcome::Event(
                r#"{"t": {"header": {"alg": "HS256"}, "claims": {"sub": "7", "exp": 1516239022, "exp_timestamp": 1516239022, "exp_datetime": "2018-01-18T01:30:22Z", "exp_readable": "2018-01-18 01:30:22 UTC"}, "subject": "7", "expiration": 1516239022, "is_expired": true}}"#,
            ),
        },
        Example {
            title: "no token",
            event: r#"{"t": "a.b"}"#,
            processors: "- jwt_decode: {field: t}",
            outcome: Outcome::Fails("is no json web token"),
        },
    ],
    compile,
};

struct JwtDecode {
    target: Target,
    header: bool,
    claims: bool,
    signature: bool,
    parse_dates: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(JwtDecode {
        target: Target::read_beside(options, "_decoded")?,
        header: options.flag("extract_header", false)?,
        claims: options.flag("extract_claims", true)?,
        signature: options.flag("extract_signature", false)?,
        parse_dates: options.flag("parse_dates", false)?,
    }))
}

/// Claims that are put beside the others under longer names.
const LONG_NAMES: [(&str, &str); 7] = [
    ("sub", "subject"),
    ("iss", "issuer"),
    ("aud", "audience"),
    ("exp", "expiration"),
    ("iat", "issued_at"),
    ("nbf", "not_before"),
    ("jti", "jwt_id"),
];

/// Claims that are times, in seconds.
const TIMES: [&str; 5] = ["exp", "iat", "nbf", "auth_time", "updated_at"];

impl Processor for JwtDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            let text = String::from_utf8_lossy(cx.event.bytes(span)).into_owned();
            let bare = text.trim();
            let bare = match bare.get(..7) {
                Some(prefix) if prefix.eq_ignore_ascii_case("bearer ") => bare[7..].trim_start(),
                _ => bare,
            };
            let mut parts = bare.split('.');
            let (Some(header), Some(claims), Some(signature), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(Failure::fixed(
                    "is no json web token: it has not three parts with dots between them",
                ));
            };
            self.describe(cx, header, claims, signature)
        })?;
        Ok(Flow::Next)
    }
}

impl JwtDecode {
    fn describe(
        &self,
        cx: &mut Context<'_>,
        header: &str,
        claims: &str,
        signature: &str,
    ) -> Result<Slot, Failure> {
        let header = object(cx, header)?;
        let mut claims = object(cx, claims)?;
        let mut map = Children::EMPTY;
        if self.header {
            add_field(cx, &mut map, "header", Slot::Map(header))?;
        }
        let found = |cx: &Context<'_>, name: &str| {
            let node = cx.event.field_named(claims, name.as_bytes())?;
            Some(cx.event.slot(node)).filter(|slot| *slot != Slot::Null)
        };
        let long: Vec<(&str, Slot)> =
            LONG_NAMES.iter().filter_map(|(short, long)| Some((*long, found(cx, short)?))).collect();
        let times: Vec<(&str, i64)> =
            TIMES.iter().filter_map(|name| Some((*name, found(cx, name)?.as_number()? as i64))).collect();
        if self.parse_dates {
            for (name, seconds) in &times {
                add_times(cx, &mut claims, name, *seconds)?;
            }
        }
        if self.claims {
            add_field(cx, &mut map, "claims", Slot::Map(claims))?;
        }
        if self.signature {
            add_text(cx, &mut map, "signature", signature)?;
        }
        for (name, slot) in long {
            let slot = cx.event.copy(slot)?;
            add_field(cx, &mut map, name, slot)?;
        }
        if let Some((_, expiration)) = times.iter().find(|(name, _)| *name == "exp") {
            let left = expiration.saturating_sub(cx.now / 1_000_000_000);
            add_field(cx, &mut map, "is_expired", Slot::Bool(left <= 0))?;
            add_field(cx, &mut map, "expires_in_seconds", Slot::Int(left))?;
        }
        Ok(Slot::Map(map))
    }
}

/// The object that a part of a token has in it.
fn object(cx: &mut Context<'_>, part: &str) -> Result<Children, Failure> {
    let json = URL_SAFE_NO_PAD.decode(part.trim_end_matches('='));
    let json = json.map_err(|_| Failure::fixed("is no json web token: a part is not base64"))?;
    match read_text(&mut cx.event, &json) {
        Ok(Slot::Map(map)) => Ok(map),
        Err(JsonError::Limit(obstacle)) => Err(obstacle.into()),
        _ => Err(Failure::fixed("is no json web token: a part is no json object")),
    }
}

fn add_times(cx: &mut Context<'_>, claims: &mut Children, name: &str, seconds: i64) -> Result<(), Failure> {
    let Ok(time) = Timestamp::from_second(seconds) else { return Ok(()) };
    let datetime = cx.event.text(time.to_string().as_bytes())?;
    let readable = cx.event.text(time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string().as_bytes())?;
    let values = [("timestamp", Slot::Int(seconds)), ("datetime", datetime), ("readable", readable)];
    for (suffix, slot) in values {
        let name = format!("{name}_{suffix}");
        if cx.event.field_named(*claims, name.as_bytes()).is_none() {
            add_field(cx, claims, &name, slot)?;
        }
    }
    Ok(())
}
