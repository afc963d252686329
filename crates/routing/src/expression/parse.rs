//! Parses the text of an expression: tokens, then precedence climbing, with the column of each fault.

use super::{Arithmetic, Comparison, Condition, DEPTH_MAX, ExpressionError, Level, TEXT_MAX};

/// Whether a skill's name needs no quotes in an expression.
pub(super) fn is_plain_name(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && letters.all(|c| c.is_alphanumeric() || c == '_')
        && !["and", "or", "not", "skill"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Quoted(String),
    Number(i64),
    Compare(Comparison),
    Arithmetic(Arithmetic),
    And,
    Or,
    Not,
    Open,
    Close,
    End,
}

impl Token {
    fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("the name {name}"),
            Self::Quoted(name) => format!("the name \"{name}\""),
            Self::Number(number) => format!("the number {number}"),
            Self::Compare(comparison) => format!("'{}'", comparison.as_str()),
            Self::Arithmetic(operator) => format!("'{}'", operator.as_str()),
            Self::And => "'&'".into(),
            Self::Or => "'|'".into(),
            Self::Not => "'!'".into(),
            Self::Open => "'('".into(),
            Self::Close => "')'".into(),
            Self::End => "the end".into(),
        }
    }
}

fn fault<T>(column: usize, reason: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError { column, reason: reason.into() })
}

/// Parses a whole expression.
pub(super) fn expression(text: &str) -> Result<Condition, ExpressionError> {
    if text.len() > TEXT_MAX {
        return fault(1, format!("the expression is longer than {TEXT_MAX} bytes"));
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0 };
    let column = parser.column();
    let condition = match parser.either()? {
        Node::Condition(condition) => condition,
        Node::Level(_) => return fault(column, "a comparison is wanted, such as Sales >= 5"),
    };
    match parser.peek() {
        Token::End => Ok(condition),
        other => fault(parser.column(), format!("'&', '|' or the end is wanted, not {}", other.describe())),
    }
}

// === Tokens ===

fn tokens(text: &str) -> Result<Vec<(Token, usize)>, ExpressionError> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&letter) = letters.get(at) {
        if letter.is_whitespace() {
            at += 1;
            continue;
        }
        let (token, length) = token(&letters, at)?;
        found.push((token, at + 1));
        at += length;
    }
    found.push((Token::End, letters.len() + 1));
    Ok(found)
}

fn token(letters: &[char], at: usize) -> Result<(Token, usize), ExpressionError> {
    let letter = letters[at];
    let next = letters.get(at + 1).copied().unwrap_or_default();
    let pair = |token, wanted: char| (token, if next == wanted { 2 } else { 1 });
    Ok(match letter {
        '(' => (Token::Open, 1),
        ')' => (Token::Close, 1),
        '&' => pair(Token::And, '&'),
        '|' => pair(Token::Or, '|'),
        '=' => pair(Token::Compare(Comparison::Equal), '='),
        '!' if next == '=' => (Token::Compare(Comparison::NotEqual), 2),
        '!' => (Token::Not, 1),
        '<' if next == '>' => (Token::Compare(Comparison::NotEqual), 2),
        '<' if next == '=' => (Token::Compare(Comparison::LessOrEqual), 2),
        '<' => (Token::Compare(Comparison::Less), 1),
        '>' if next == '=' => (Token::Compare(Comparison::GreaterOrEqual), 2),
        '>' => (Token::Compare(Comparison::Greater), 1),
        '+' => (Token::Arithmetic(Arithmetic::Add), 1),
        '-' => (Token::Arithmetic(Arithmetic::Subtract), 1),
        '*' => (Token::Arithmetic(Arithmetic::Multiply), 1),
        '/' => (Token::Arithmetic(Arithmetic::Divide), 1),
        '"' | '\'' => return quoted(letters, at),
        digit if digit.is_ascii_digit() => return number(letters, at),
        other if other.is_alphabetic() || other == '_' => name(letters, at),
        other => return fault(at + 1, format!("'{other}' has no meaning here")),
    })
}

fn quoted(letters: &[char], at: usize) -> Result<(Token, usize), ExpressionError> {
    let quote = letters[at];
    let name: String = letters[at + 1..].iter().take_while(|&&c| c != quote).collect();
    let length = name.chars().count();
    if letters.get(at + 1 + length) != Some(&quote) {
        return fault(at + 1, "this quotation mark is never closed");
    }
    if name.is_empty() {
        return fault(at + 1, "a skill's name is wanted between the quotation marks");
    }
    Ok((Token::Quoted(name), length + 2))
}

fn number(letters: &[char], at: usize) -> Result<(Token, usize), ExpressionError> {
    let digits: String = letters[at..].iter().take_while(|c| c.is_ascii_digit()).collect();
    match digits.parse() {
        Ok(number) => Ok((Token::Number(number), digits.len())),
        Err(_) => fault(at + 1, "the number is too large"),
    }
}

fn name(letters: &[char], at: usize) -> (Token, usize) {
    let name: String = letters[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').collect();
    let length = name.chars().count();
    let token = match name.to_ascii_lowercase().as_str() {
        "and" => Token::And,
        "or" => Token::Or,
        "not" => Token::Not,
        _ => Token::Name(name),
    };
    (token, length)
}

// === Grammar ===

/// The content of brackets: a condition or arithmetic, known only after parsing.
enum Node {
    Condition(Condition),
    Level(Level),
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(token, _)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(1, |(_, column)| *column)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn either(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.both()?;
        while *self.peek() == Token::Or {
            let column = self.column();
            self.take();
            let right = self.both()?;
            left = Self::join(left, right, column, "|", Condition::Or)?;
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Node, ExpressionError> {
        let mut left = self.compared()?;
        while *self.peek() == Token::And {
            let column = self.column();
            self.take();
            let right = self.compared()?;
            left = Self::join(left, right, column, "&", Condition::And)?;
        }
        Ok(left)
    }

    fn join(
        left: Node,
        right: Node,
        column: usize,
        sign: &str,
        with: fn(Box<Condition>, Box<Condition>) -> Condition,
    ) -> Result<Node, ExpressionError> {
        match (left, right) {
            (Node::Condition(left), Node::Condition(right)) => {
                Ok(Node::Condition(with(Box::new(left), Box::new(right))))
            }
            _ => fault(column, format!("'{sign}' wants a comparison on both sides, such as Sales >= 5")),
        }
    }

    fn compared(&mut self) -> Result<Node, ExpressionError> {
        let left = self.sum()?;
        let column = self.column();
        let Token::Compare(comparison) = *self.peek() else {
            return Ok(left);
        };
        self.take();
        match (left, self.sum()?) {
            (Node::Level(left), Node::Level(right)) => Ok(Node::Condition(Condition::Compare(left, comparison, right))),
            _ => fault(column, format!("'{}' compares levels, not conditions", comparison.as_str())),
        }
    }

    fn sum(&mut self) -> Result<Node, ExpressionError> {
        self.arithmetic(Self::product, &[Arithmetic::Add, Arithmetic::Subtract])
    }

    fn product(&mut self) -> Result<Node, ExpressionError> {
        self.arithmetic(Self::operand, &[Arithmetic::Multiply, Arithmetic::Divide])
    }

    fn arithmetic(
        &mut self,
        part: fn(&mut Self) -> Result<Node, ExpressionError>,
        operators: &[Arithmetic],
    ) -> Result<Node, ExpressionError> {
        let mut left = part(self)?;
        loop {
            let column = self.column();
            let operator = match *self.peek() {
                Token::Arithmetic(operator) if operators.contains(&operator) => operator,
                _ => return Ok(left),
            };
            self.take();
            left = match (left, part(self)?) {
                (Node::Level(left), Node::Level(right)) => {
                    Node::Level(Level::Operation(Box::new(left), operator, Box::new(right)))
                }
                _ => return fault(column, format!("'{}' works on levels, not conditions", operator.as_str())),
            };
        }
    }

    fn operand(&mut self) -> Result<Node, ExpressionError> {
        let column = self.column();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return fault(column, format!("nested deeper than {DEPTH_MAX}"));
        }
        let node = match self.take() {
            Token::Open => {
                let inner = self.either()?;
                self.close()?;
                inner
            }
            Token::Not => match self.compared()? {
                Node::Condition(inner) => Node::Condition(Condition::Not(Box::new(inner))),
                Node::Level(_) => return fault(column, "'!' wants a comparison, such as !(Sales >= 5)"),
            },
            Token::Number(number) => Node::Level(Level::Number(number)),
            Token::Quoted(name) => Node::Level(Level::Skill(name)),
            Token::Name(name) if name.eq_ignore_ascii_case("skill") && *self.peek() == Token::Open => {
                self.skill_function()?
            }
            Token::Name(name) => Node::Level(Level::Skill(name)),
            other => {
                return fault(column, format!("a skill, a number or '(' is wanted, not {}", other.describe()));
            }
        };
        self.depth -= 1;
        Ok(node)
    }

    fn skill_function(&mut self) -> Result<Node, ExpressionError> {
        self.take();
        let column = self.column();
        let name = match self.take() {
            Token::Quoted(name) | Token::Name(name) => name,
            other => return fault(column, format!("a skill's name is wanted, not {}", other.describe())),
        };
        self.close()?;
        Ok(Node::Level(Level::Skill(name)))
    }

    fn close(&mut self) -> Result<(), ExpressionError> {
        let column = self.column();
        match self.take() {
            Token::Close => Ok(()),
            other => fault(column, format!("')' is wanted, not {}", other.describe())),
        }
    }
}
