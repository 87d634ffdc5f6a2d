//! The subset of XPath 1.0 that event logs take: `*` and `*[System[…]]` with comparisons, `and`, `or`, parentheses.

use super::logs::Record;

/// A query that was understood.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Everything,
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Compare(Field, Order, u64),
    /// `TimeCreated[timediff(@SystemTime) <= n]`, in milliseconds.
    NotOlder(u64),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    EventId,
    Level,
    RecordId,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Expression {
    /// Reads a query; none where Windows, or this subset, would refuse it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::Everything);
        }
        let inner = text.strip_prefix("*[System[")?.strip_suffix("]]")?;
        let mut parser = Parser { rest: inner };
        let expression = parser.any()?;
        parser.rest.trim().is_empty().then_some(expression)
    }

    /// Whether a record is asked for, at this time in milliseconds since 1970.
    pub(super) fn matches(&self, record: &Record, now: u64) -> bool {
        match self {
            Self::Everything => true,
            Self::All(parts) => parts.iter().all(|part| part.matches(record, now)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(record, now)),
            Self::NotOlder(age) => now.saturating_sub(record.written_ms) <= *age,
            Self::Compare(field, order, value) => {
                let found = match field {
                    Field::EventId => u64::from(record.event_id),
                    Field::Level => u64::from(record.level),
                    Field::RecordId => record.id,
                };
                match order {
                    Order::Equal => found == *value,
                    Order::Less => found < *value,
                    Order::LessOrEqual => found <= *value,
                    Order::Greater => found > *value,
                    Order::GreaterOrEqual => found >= *value,
                }
            }
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn any(&mut self) -> Option<Expression> {
        let mut parts = vec![self.all()?];
        while self.take("or ") {
            parts.push(self.all()?);
        }
        Some(one_or(parts, Expression::Any))
    }

    fn all(&mut self) -> Option<Expression> {
        let mut parts = vec![self.term()?];
        while self.take("and ") {
            parts.push(self.term()?);
        }
        Some(one_or(parts, Expression::All))
    }

    fn term(&mut self) -> Option<Expression> {
        if self.take("(") {
            let inner = self.any()?;
            return self.take(")").then_some(inner);
        }
        if self.take("TimeCreated[timediff(@SystemTime)") {
            let _ = self.order()?;
            let age = self.number()?;
            return self.take("]").then_some(Expression::NotOlder(age));
        }
        let names =
            [("EventID", Field::EventId), ("Level", Field::Level), ("EventRecordID", Field::RecordId)];
        let field = names.into_iter().find(|(name, _)| self.take(name))?.1;
        let order = self.order()?;
        Some(Expression::Compare(field, order, self.number()?))
    }

    fn order(&mut self) -> Option<Order> {
        let orders = [
            ("<=", Order::LessOrEqual),
            (">=", Order::GreaterOrEqual),
            ("=", Order::Equal),
            ("<", Order::Less),
            (">", Order::Greater),
        ];
        orders.into_iter().find(|(sign, _)| self.take(sign)).map(|(_, order)| order)
    }

    fn number(&mut self) -> Option<u64> {
        self.rest = self.rest.trim_start();
        let len = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at(len);
        self.rest = rest;
        digits.parse().ok()
    }

    fn take(&mut self, text: &str) -> bool {
        match self.rest.trim_start().strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

fn one_or(mut parts: Vec<Expression>, join: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => join(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event_id: u32, level: u8, id: u64) -> Record {
        Record { id, event_id, level, written_ms: 1000, xml: "".into() }
    }

    #[test]
    fn queries_of_collectors_are_understood() {
        let query = "*[System[(EventID=4624 or (EventID>=4720 and EventID<=4729)) and (Level=2 or Level=0) and \
                     TimeCreated[timediff(@SystemTime)<=60000] and EventRecordID>7]]";
        let expression = Expression::parse(query).expect("understood");
        let matches = |event_id, level, id, now| expression.matches(&record(event_id, level, id), now);
        assert!(matches(4624, 0, 8, 1000) && matches(4725, 2, 9, 61_000));
        assert!(!matches(4625, 0, 8, 1000) && !matches(4624, 4, 8, 1000));
        assert!(!matches(4624, 0, 7, 1000) && !matches(4624, 0, 8, 61_001));
        assert!(Expression::parse("*").is_some() && Expression::parse("*[System[Nonsense=1]]").is_none());
        assert!(Expression::parse("*[System[EventID=1").is_none());
    }
}
