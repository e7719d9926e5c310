//! The syntax of libConfuse's files (<https://www.nongnu.org/confuse/tutorial-html/>): settings, lists, sections with
//! titles, comments, quotes and variables of the environment. Which settings there may be is for others to say.

use std::iter::Peekable;

use logos::{Lexer, Logos};

/// One thing that a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a name is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    List(Vec<String>),
    Section { title: Option<String>, settings: Vec<Setting> },
}

/// What is no such file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// From 1.
    pub(super) line: usize,
    pub(super) problem: String,
}

/// A variable of the environment.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<String>;

#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"\s+")]
#[logos(skip(r"(#|//)[^\n]*", allow_greedy = true))]
#[logos(skip r"/\*([^*]|\*+[^*/])*\*+/")]
enum Token {
    #[token("{")]
    Open,
    #[token("}")]
    Close,
    #[token("(")]
    OpenCall,
    #[token(")")]
    CloseCall,
    #[token(",")]
    Comma,
    #[token("=")]
    Is,
    #[token("+=")]
    Adds,
    #[regex(r#""([^"\\]|\\[\s\S])*""#)]
    DoubleQuoted,
    #[regex(r"'([^'\\]|\\[\s\S])*'")]
    SingleQuoted,
    #[regex(r"\$\{[^}\n]*\}")]
    Variable,
    #[regex(r#"([^\s{}(),=+"'#/$]|/[^\s{}(),=+"'#/*])[^\s{}(),=+"'#]*"#)]
    Word,
}

/// Reads a file's text. Variables are looked up with `variable`.
///
/// # Errors
/// The first thing that is not as it should be.
pub(super) fn parse(text: &str, variable: Variable<'_>) -> Result<Vec<Setting>, SyntaxError> {
    let mut parser = Parser { text, tokens: Tokens(Token::lexer(text)).peekable(), variable };
    let settings = parser.settings()?;
    match parser.tokens.next() {
        None => Ok(settings),
        Some(found) => Err(parser.unexpected(Some(found), "a setting")),
    }
}

/// A token, or nothing where there is none, with its place in the text.
type Found = (Option<Token>, std::ops::Range<usize>);

struct Tokens<'a>(Lexer<'a, Token>);

impl Iterator for Tokens<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let token = self.0.next()?.ok();
        Some((token, self.0.span()))
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Peekable<Tokens<'a>>,
    variable: Variable<'a>,
}

impl Parser<'_> {
    /// Settings up to a `}` or the end.
    fn settings(&mut self) -> Result<Vec<Setting>, SyntaxError> {
        let mut settings = Vec::new();
        while self.tokens.peek().is_some_and(|(token, _)| *token != Some(Token::Close)) {
            settings.push(self.setting()?);
        }
        Ok(settings)
    }

    fn setting(&mut self) -> Result<Setting, SyntaxError> {
        let (name, line) = match self.tokens.next() {
            Some((Some(Token::Word), span)) => (self.text[span.clone()].to_owned(), self.line(span.start)),
            found => return Err(self.unexpected(found, "the name of a setting")),
        };
        let value = match self.tokens.next() {
            Some((Some(Token::Is | Token::Adds), _)) => self.value()?,
            Some((Some(Token::Open), _)) => self.section(None)?,
            Some((Some(Token::OpenCall), span)) => {
                let problem = format!("`{name}(...)` is not followed: write here what it stands for");
                return Err(self.error(span.start, problem));
            }
            found => {
                let title = self.text_of(found, "`=`, `{` or a title")?;
                match self.tokens.next() {
                    Some((Some(Token::Open), _)) => self.section(Some(title))?,
                    found => return Err(self.unexpected(found, "`{`")),
                }
            }
        };
        Ok(Setting { name, line, value })
    }

    fn section(&mut self, title: Option<String>) -> Result<Value, SyntaxError> {
        let settings = self.settings()?;
        match self.tokens.next() {
            Some((Some(Token::Close), _)) => Ok(Value::Section { title, settings }),
            found => Err(self.unexpected(found, "`}`")),
        }
    }

    fn value(&mut self) -> Result<Value, SyntaxError> {
        let found = self.tokens.next();
        if !matches!(found, Some((Some(Token::Open), _))) {
            return self.text_of(found, "a value").map(Value::Text);
        }
        let mut list = Vec::new();
        loop {
            match self.tokens.next() {
                Some((Some(Token::Close), _)) => return Ok(Value::List(list)),
                Some((Some(Token::Comma), _)) => {}
                found => list.push(self.text_of(found, "a value or `}`")?),
            }
        }
    }

    /// What a token that stands for text says.
    fn text_of(&self, found: Option<Found>, wanted: &str) -> Result<String, SyntaxError> {
        let Some((Some(token), span)) = found.clone() else { return Err(self.unexpected(found, wanted)) };
        let source = &self.text[span.clone()];
        match token {
            Token::Word => Ok(source.to_owned()),
            Token::SingleQuoted => Ok(single_quoted(&source[1..source.len() - 1])),
            Token::DoubleQuoted => self.double_quoted(&source[1..source.len() - 1], span.start),
            Token::Variable => self.variable(&source[2..source.len() - 1], span.start),
            _ => Err(self.unexpected(found, wanted)),
        }
    }

    fn double_quoted(&self, quoted: &str, at: usize) -> Result<String, SyntaxError> {
        let (mut text, mut rest) = (String::new(), quoted);
        while let Some(place) = rest.find(['\\', '$']) {
            text.push_str(&rest[..place]);
            rest = &rest[place..];
            rest = match rest.strip_prefix("${").and_then(|inside| inside.split_once('}')) {
                Some((name, after)) => {
                    text.push_str(&self.variable(name, at)?);
                    after
                }
                None => unescape(rest, &mut text),
            };
        }
        text.push_str(rest);
        Ok(text)
    }

    /// `NAME`, or `NAME:-what there is without it`.
    fn variable(&self, name: &str, at: usize) -> Result<String, SyntaxError> {
        let (name, otherwise) = name.split_once(":-").map_or((name, None), |(name, rest)| (name, Some(rest)));
        (self.variable)(name).or(otherwise.map(str::to_owned)).ok_or_else(|| {
            self.error(at, format!("the variable {name} is not set: set it, or write its value in its place"))
        })
    }

    fn unexpected(&self, found: Option<Found>, wanted: &str) -> SyntaxError {
        let (found, at) = match found {
            None => ("the end of the file".to_owned(), self.text.len()),
            Some((None, span)) if self.text[span.clone()].starts_with(['"', '\'']) => {
                ("a quote without its end".to_owned(), span.start)
            }
            Some((_, span)) => (format!("`{}`", &self.text[span.clone()]), span.start),
        };
        self.error(at, format!("{found} stands where {wanted} has to be"))
    }

    fn error(&self, at: usize, problem: String) -> SyntaxError {
        SyntaxError { line: self.line(at), problem }
    }

    fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

/// Only the quote itself, the backslash and the end of a line can be escaped.
fn single_quoted(quoted: &str) -> String {
    quoted.replace("\\\n", "").replace("\\'", "'").replace("\\\\", "\\")
}

/// Appends what the backslash or `$` at the beginning of `rest` stands for, and gives what follows.
fn unescape<'a>(rest: &'a str, text: &mut String) -> &'a str {
    let mut characters = rest.chars();
    let first = characters.next();
    if first != Some('\\') {
        text.extend(first);
        return characters.as_str();
    }
    let number = |digits: &str, radix| u8::from_str_radix(digits, radix).ok().map(char::from);
    let escaped = characters.next();
    match escaped {
        Some('n') => text.push('\n'),
        Some('t') => text.push('\t'),
        Some('r') => text.push('\r'),
        Some('\n') | None => {}
        Some('x') => {
            if let Some(character) = characters.as_str().get(..2).and_then(|digits| number(digits, 16)) {
                text.push(character);
                return &characters.as_str()[2..];
            }
            text.push('x');
        }
        Some(other) => text.push(other),
    }
    characters.as_str()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Setting>, SyntaxError> {
        parse(text, &|name| (name == "HOME").then(|| "/root".to_owned()))
    }

    fn text_of(text: &str) -> String {
        match read(&format!("key = {text}")).unwrap().pop().unwrap().value {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_lists_and_sections_have_their_lines() {
        let text =
            "# one\nport = 5000 // two\nlist += {a, \"b c\"}\nnode 'odroid' { /* three\n*/ channel=2 }\nempty {}";
        let setting = |name: &str, line, value| Setting { name: name.into(), line, value };
        let channel = setting("channel", 5, Value::Text("2".into()));
        assert_eq!(
            read(text).unwrap(),
            [
                setting("port", 2, Value::Text("5000".into())),
                setting("list", 3, Value::List(vec!["a".into(), "b c".into()])),
                setting("node", 4, Value::Section { title: Some("odroid".into()), settings: vec![channel] }),
                setting("empty", 6, Value::Section { title: None, settings: Vec::new() }),
            ]
        );
    }

    #[test]
    fn quotes_escapes_and_variables() {
        assert_eq!(
            text_of(
                r#""a\tb\x41\"\\$ \
c""#
            ),
            "a\tbA\"\\$ c"
        );
        assert_eq!(text_of(r"'it\'s ${HOME}'"), "it's ${HOME}");
        assert_eq!(text_of(r#""${HOME}/${NONE:-none}""#), "/root/none");
        assert_eq!(text_of("${HOME}"), "/root");
        assert_eq!(text_of("/etc/a//b"), "/etc/a//b");
        assert_eq!(text_of("10.0.0.1//b"), "10.0.0.1//b");
    }

    #[test]
    fn errors_name_the_line_and_what_to_write() {
        for (text, line, problem) in [
            ("a = 1\nb 2", 2, "the end of the file stands where `{` has to be"),
            ("node x {\na = 1", 2, "the end of the file stands where `}` has to be"),
            ("a = \"open", 1, "a quote without its end stands where a value has to be"),
            ("}", 1, "`}` stands where a setting has to be"),
            ("a = =", 1, "`=` stands where a value has to be"),
            ("\ninclude(\"more.conf\")", 2, "`include(...)` is not followed: write here what it stands for"),
            ("a = ${NONE}", 1, "the variable NONE is not set: set it, or write its value in its place"),
        ] {
            assert_eq!(read(text), Err(SyntaxError { line, problem: problem.into() }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[ -~\\n\\\\\"'${}=#/*é]{0,60}") {
            let _ = read(&text);
        }

        #[test]
        fn what_is_quoted_is_read_as_it_was(value in "[^\\\\\"$]{0,40}") {
            prop_assert_eq!(text_of(&format!("\"{value}\"")), value);
        }
    }
}
