//! Tokens to an expression: precedence climbing, with expr's precedences and Painless's methods.

use super::SyntaxError;
use super::ast::{Expr, Instance, Operator, OriginField};
use super::functions::{Builtin, Predicate};
use super::lexer::{Token, tokens};
use crate::pattern::Pattern;
use event::model::{Keys, Path};
use std::sync::Arc;

/// Nested deeper than this a condition is refused.
pub const MAX_DEPTH: usize = 64;
/// Longer than this it is refused.
pub const MAX_BYTES: usize = 64 * 1024;
/// A field of this name may be the number of elements of a list.
pub(super) const LENGTH: &str = "length";

pub(super) struct Parser<'p> {
    keys: &'p Keys,
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Inside how many predicates: `#` has a meaning only there.
    predicates: usize,
}

type Parsed = Result<Expr, SyntaxError>;

impl<'p> Parser<'p> {
    pub(super) fn parse(keys: &'p Keys, text: &'p str) -> Parsed {
        if text.len() > MAX_BYTES {
            return Err(SyntaxError::new(0, format!("a condition has at most {MAX_BYTES} bytes")));
        }
        let tokens = tokens(text)?;
        let mut parser = Parser { keys, tokens, at: 0, depth: 0, predicates: 0 };
        let expr = parser.expression()?;
        parser.take(";");
        match parser.peek() {
            Token::End => Ok(expr),
            _ => Err(parser.error("the condition should end here; join parts with && or ||")),
        }
    }

    fn peek(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].0.clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn take(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Token::Mark(m) if *m == mark);
        if found {
            self.next();
        }
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Token::Name(name) if name == word);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, mark: &str) -> Result<(), SyntaxError> {
        if self.take(mark) { Ok(()) } else { Err(self.error(&format!("{mark:?} is missing here"))) }
    }

    fn error(&self, what: &str) -> SyntaxError {
        SyntaxError::new(self.tokens[self.at].1, what.to_owned())
    }

    /// `condition ? this : that`
    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(&format!("a condition is nested at most {MAX_DEPTH} levels deep")));
        }
        let mut expr = self.binary(0)?;
        if self.take("?") {
            let yes = self.expression()?;
            self.expect(":")?;
            let no = self.expression()?;
            expr = Expr::Choice(Box::new(expr), Box::new(yes), Box::new(no));
        }
        self.depth -= 1;
        Ok(expr)
    }

    fn binary(&mut self, least: u8) -> Parsed {
        let mut left = self.unary()?;
        let mut last: Option<Operator> = None;
        loop {
            let start = self.at;
            if self.take_word("instanceof") {
                left = Expr::InstanceOf(Box::new(left), self.instance()?);
                continue;
            }
            let Some((operator, negated)) = self.operator()? else { return Ok(left) };
            if operator.precedence() < least {
                self.at = start;
                return Ok(left);
            }
            let mixes = |a: Operator, b: Operator| (a == Operator::Coalesce) != (b == Operator::Coalesce);
            if last.is_some_and(|last| mixes(last, operator)) {
                return Err(self.error("?? and other operators do not mix; use parentheses"));
            }
            last = Some(operator);
            let tighter = operator.precedence() + u8::from(operator != Operator::Power);
            let right = self.binary(tighter)?;
            left = if operator.is_ordering() {
                self.chain(left, operator, right)?
            } else {
                self.combine(operator, left, right)?
            };
            if negated {
                left = Expr::Not(Box::new(left));
            }
        }
    }

    /// `1 < x < 5` means `1 < x && x < 5`.
    fn chain(&mut self, left: Expr, operator: Operator, right: Expr) -> Parsed {
        let mut whole = Expr::Binary(operator, Box::new(left), Box::new(right.clone()));
        let mut middle = right;
        loop {
            let start = self.at;
            match self.operator()? {
                Some((next, false)) if next.is_ordering() => {
                    let right = self.binary(next.precedence() + 1)?;
                    let link = Expr::Binary(next, Box::new(middle), Box::new(right.clone()));
                    whole = Expr::Binary(Operator::And, Box::new(whole), Box::new(link));
                    middle = right;
                }
                _ => {
                    self.at = start;
                    return Ok(whole);
                }
            }
        }
    }

    fn combine(&self, operator: Operator, left: Expr, right: Expr) -> Parsed {
        if let (Operator::Matches | Operator::MatchesWhole, Expr::Text(text)) = (operator, &right) {
            let text = String::from_utf8_lossy(text);
            let whole = operator == Operator::MatchesWhole;
            let text = if whole { format!("^(?:{text})$") } else { text.into_owned() };
            let pattern = Pattern::compile(&text).map_err(|why| self.error(&why))?;
            return Ok(Expr::Matches(Box::new(left), Arc::new(pattern)));
        }
        if operator == Operator::MatchesWhole {
            return Err(self.error("==~ takes a regular expression like /a+/"));
        }
        Ok(Expr::Binary(operator, Box::new(left), Box::new(right)))
    }

    fn instance(&mut self) -> Result<Instance, SyntaxError> {
        let Token::Name(name) = self.next() else { return Err(self.error("a type is missing here")) };
        match name.as_str() {
            "String" => Ok(Instance::Text),
            "Number" | "Integer" | "Long" | "Float" | "Double" => Ok(Instance::Number),
            "Boolean" => Ok(Instance::Bool),
            "List" | "ArrayList" | "Collection" => Ok(Instance::List),
            "Map" | "HashMap" => Ok(Instance::Map),
            _ => Err(self.error("unknown type; there are String, Number, Boolean, List, Map")),
        }
    }

    /// The operator that comes next, and whether `not` stands before it.
    fn operator(&mut self) -> Result<Option<(Operator, bool)>, SyntaxError> {
        let operator = match self.peek() {
            Token::Mark(mark) => match *mark {
                "||" => Operator::Or,
                "&&" => Operator::And,
                "??" => Operator::Coalesce,
                "==" => Operator::Equal,
                "!=" => Operator::NotEqual,
                "<" => Operator::Less,
                "<=" => Operator::LessOrEqual,
                ">" => Operator::Greater,
                ">=" => Operator::GreaterOrEqual,
                ".." => Operator::Range,
                "+" => Operator::Add,
                "-" => Operator::Subtract,
                "*" => Operator::Multiply,
                "/" => Operator::Divide,
                "%" => Operator::Remainder,
                "**" | "^" => Operator::Power,
                "=~" => Operator::Matches,
                "==~" => Operator::MatchesWhole,
                _ => return Ok(None),
            },
            Token::Name(name) => match name.as_str() {
                "or" => Operator::Or,
                "and" => Operator::And,
                "in" => Operator::In,
                "contains" => Operator::Contains,
                "startsWith" => Operator::StartsWith,
                "endsWith" => Operator::EndsWith,
                "matches" => Operator::Matches,
                "not" => {
                    self.next();
                    return match self.operator()? {
                        Some((operator, false)) if is_negatable(operator) => Ok(Some((operator, true))),
                        _ => Err(self.error("`in`, `contains`, `matches` … should follow `not` here")),
                    };
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        self.next();
        Ok(Some((operator, false)))
    }

    fn unary(&mut self) -> Parsed {
        if self.take("!") || self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.nested(50)?)));
        }
        if self.take("-") {
            return Ok(match self.nested(90)? {
                Expr::Int(number) => Expr::Int(number.wrapping_neg()),
                Expr::Float(number) => Expr::Float(-number),
                other => Expr::Negative(Box::new(other)),
            });
        }
        if self.take("+") {
            return self.nested(90);
        }
        let value = self.primary()?;
        self.steps(value)
    }

    fn nested(&mut self, least: u8) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(&format!("a condition is nested at most {MAX_DEPTH} levels deep")));
        }
        let expr = self.binary(least)?;
        self.depth -= 1;
        Ok(expr)
    }

    fn primary(&mut self) -> Parsed {
        match self.next() {
            Token::Int(number) => Ok(Expr::Int(number)),
            Token::Float(number) => Ok(Expr::Float(number)),
            Token::Text(text) => Ok(Expr::Text(text.into_bytes().into())),
            Token::Mark("(") => {
                let inner = self.expression()?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Mark("[") => Ok(Expr::List(self.arguments("]")?)),
            Token::Mark("{") => self.map(),
            Token::Mark("#") if self.predicates > 0 => {
                Ok(if self.take_word("index") { Expr::Position } else { Expr::Element })
            }
            Token::Mark(".") if self.predicates > 0 => {
                let name = self.name()?;
                Ok(Expr::Member(Box::new(Expr::Element), self.keys.compiled(&name), name.into()))
            }
            Token::Name(name) => self.named(&name),
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(self.error("a value is missing here"))
            }
        }
    }

    fn named(&mut self, name: &str) -> Parsed {
        match name {
            "true" => return Ok(Expr::Bool(true)),
            "false" => return Ok(Expr::Bool(false)),
            "nil" | "null" => return Ok(Expr::Null),
            _ => {}
        }
        if self.take("(") {
            return self.call(name);
        }
        let is_alias = matches!(name, "ctx" | "logEntry" | "service");
        if is_alias && matches!(self.peek(), Token::Mark("." | "?." | "[")) {
            return Ok(Expr::Root);
        }
        if is_alias && name != "service" {
            return Ok(Expr::Root);
        }
        Ok(Expr::Field(Path::of_names(self.keys, &[name]), None))
    }

    /// The name of a step: any word, a number as well.
    fn name(&mut self) -> Result<String, SyntaxError> {
        match self.next() {
            Token::Name(name) => Ok(name),
            Token::Int(number) => Ok(number.to_string()),
            _ => {
                self.at = self.at.saturating_sub(1);
                Err(self.error("a field name is missing here"))
            }
        }
    }

    /// `.name`, `?.name`, `.method(…)`, `[index]`, `[from:to]`, as many as there are.
    fn steps(&mut self, value: Expr) -> Parsed {
        let mut value = value;
        loop {
            if self.take("?.") || self.take(".") {
                if self.take("[") {
                    value = self.index(value)?;
                    continue;
                }
                let name = self.name()?;
                value = if self.take("(") { self.method(value, &name)? } else { self.member(value, &name) };
            } else if self.take("[") {
                value = self.index(value)?;
            } else {
                return Ok(value);
            }
        }
    }

    /// Steps from the event on are one path.
    fn member(&self, value: Expr, name: &str) -> Expr {
        match value {
            Expr::Root => Expr::Field(Path::of_names(self.keys, &[name]), None),
            // Painless has it for lists; what it is of is known only then.
            Expr::Field(..) if name == LENGTH => {
                Expr::Member(Box::new(value), self.keys.compiled(name), name.into())
            }
            Expr::Field(path, _) => {
                let origin = origin_field(path.text(), name);
                Expr::Field(path.child(self.keys, name), origin)
            }
            other => Expr::Member(Box::new(other), self.keys.compiled(name), name.into()),
        }
    }

    fn index(&mut self, value: Expr) -> Parsed {
        let from = if self.take(":") {
            return self.slice(value, None);
        } else {
            self.expression()?
        };
        if self.take(":") {
            return self.slice(value, Some(Box::new(from)));
        }
        self.expect("]")?;
        match (&value, &from) {
            (Expr::Root | Expr::Field(..), Expr::Text(name)) => {
                Ok(self.member(value, &String::from_utf8_lossy(name)))
            }
            _ => Ok(Expr::Index(Box::new(value), Box::new(from))),
        }
    }

    fn slice(&mut self, value: Expr, from: Option<Box<Expr>>) -> Parsed {
        let to =
            if matches!(self.peek(), Token::Mark("]")) { None } else { Some(Box::new(self.expression()?)) };
        self.expect("]")?;
        Ok(Expr::Slice(Box::new(value), from, to))
    }

    fn arguments(&mut self, end: &str) -> Result<Vec<Expr>, SyntaxError> {
        let mut arguments = Vec::new();
        if self.take(end) {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.expression()?);
            if self.take(end) {
                return Ok(arguments);
            }
            self.expect(",")?;
            if self.take(end) {
                return Ok(arguments);
            }
        }
    }

    fn map(&mut self) -> Parsed {
        let mut entries = Vec::new();
        while !self.take("}") {
            let name = match self.next() {
                Token::Name(name) | Token::Text(name) => name,
                Token::Int(number) => number.to_string(),
                _ => return Err(self.error("a key is missing here")),
            };
            self.expect(":")?;
            entries.push((Arc::from(name.into_bytes()), self.expression()?));
            if !self.take(",") && !matches!(self.peek(), Token::Mark("}")) {
                return Err(self.error("\",\" or \"}\" is missing here"));
            }
        }
        Ok(Expr::Map(entries))
    }

    fn call(&mut self, name: &str) -> Parsed {
        if let Some(function) = Predicate::named(name) {
            return self.over(function);
        }
        let start = self.at;
        let arguments = self.arguments(")")?;
        self.builtin(name, arguments, start)
    }

    fn builtin(&self, name: &str, arguments: Vec<Expr>, start: usize) -> Parsed {
        let at = self.tokens[start.saturating_sub(2)].1;
        let Some(function) = Builtin::named(name) else {
            let fix = crate::suggest::closest(name, Builtin::names());
            return Err(SyntaxError::new(at, format!("there is no function {name:?}{fix}")));
        };
        let (least, most) = function.arguments();
        if arguments.len() < least || arguments.len() > most {
            return Err(SyntaxError::new(at, format!("{name} takes {least} to {most} arguments")));
        }
        if matches!(
            (function, arguments.first()),
            (Builtin::Len, Some(Expr::Int(_) | Expr::Float(_) | Expr::Bool(_)))
        ) {
            return Err(SyntaxError::new(at, "a number has no length".to_owned()));
        }
        Ok(Expr::Call(function, arguments))
    }

    /// `any(list, # > 1)`, also with the expression in braces.
    fn over(&mut self, function: Predicate) -> Parsed {
        let list = self.expression()?;
        let mut predicate = None;
        if self.take(",") {
            self.predicates += 1;
            let braces = self.take("{");
            predicate = Some(Box::new(self.expression()?));
            if braces {
                self.expect("}")?;
            }
            self.predicates -= 1;
        } else if function.needs_predicate() {
            return Err(self.error("an expression for the elements is missing here, like `# == \"x\"`"));
        }
        self.expect(")")?;
        Ok(Expr::Over(function, Box::new(list), predicate))
    }

    /// Painless's methods, and any function with the value as its first argument.
    fn method(&mut self, value: Expr, name: &str) -> Parsed {
        let start = self.at;
        let mut arguments = self.arguments(")")?;
        let operator = match name {
            "contains" => Some((Operator::Contains, false)),
            "notcontains" | "notContains" => Some((Operator::Contains, true)),
            "startsWith" => Some((Operator::StartsWith, false)),
            "endsWith" => Some((Operator::EndsWith, false)),
            "matches" => Some((Operator::Matches, false)),
            "equals" => Some((Operator::Equal, false)),
            "containsKey" => Some((Operator::In, false)),
            _ => None,
        };
        if let Some((operator, negated)) = operator {
            let [argument] = <[Expr; 1]>::try_from(arguments)
                .map_err(|_| self.error(&format!("{name} takes one argument")))?;
            let expr = match operator {
                Operator::In => self.combine(Operator::In, argument, value)?,
                _ => self.combine(operator, value, argument)?,
            };
            return Ok(if negated { Expr::Not(Box::new(expr)) } else { expr });
        }
        let function = match name {
            "toLowerCase" => "lower",
            "toUpperCase" => "upper",
            "length" | "size" => "len",
            "toString" => "string",
            other => other,
        };
        arguments.insert(0, value);
        self.builtin(function, arguments, start)
    }
}

fn is_negatable(operator: Operator) -> bool {
    use Operator::{Contains, EndsWith, In, Matches, StartsWith};
    matches!(operator, In | Contains | StartsWith | EndsWith | Matches)
}

fn origin_field(parent: &str, name: &str) -> Option<OriginField> {
    match (parent, name) {
        ("device", "name") => Some(OriginField::DeviceName),
        ("device", "type") => Some(OriginField::DeviceType),
        ("device", "id") => Some(OriginField::DeviceId),
        ("dataset", "name") => Some(OriginField::DatasetName),
        _ => None,
    }
}
