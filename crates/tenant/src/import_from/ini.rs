//! Asterisk's configuration files: sections with settings, templates (`[x](!)`, `[y](x)`) and additions (`[y](+)`).

use std::sync::Arc;

use super::remarks::Spot;
use super::{SOURCE_BYTES_MAX, SourceFault, SourceFile};

/// The most settings of a section, those of its templates included.
const SETTINGS_MAX: usize = 10_000;
/// The most settings of a file, those of templates counted in each section that has them: templates of templates could multiply them.
const ALL_SETTINGS_MAX: usize = 1_000_000;

/// A setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IniSetting {
    pub key: String,
    pub value: String,
    pub at: Spot,
}

/// A section with its settings, those of its templates first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IniSection {
    pub name: String,
    pub at: Spot,
    pub settings: Vec<IniSetting>,
    is_template: bool,
}

impl IniSection {
    /// The last value of a setting: it holds.
    pub fn last(&self, key: &str) -> Option<&IniSetting> {
        self.settings.iter().rev().find(|setting| setting.key == key)
    }

    pub fn value(&self, key: &str) -> Option<&str> {
        self.last(key).map(|setting| setting.value.as_str())
    }

    /// All values of a setting.
    pub fn every<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a IniSetting> {
        self.settings.iter().filter(move |setting| setting.key == key)
    }

    /// Whether a setting is on, in one of Asterisk's words for that.
    pub fn is_on(&self, key: &str) -> bool {
        self.value(key).is_some_and(is_on)
    }
}

/// Whether a value is one of Asterisk's words for yes.
pub(super) fn is_on(value: &str) -> bool {
    ["yes", "true", "y", "t", "1", "on"].contains(&value.to_lowercase().as_str())
}

/// The sections of a file without its templates.
pub(super) fn read(file: &SourceFile) -> Result<Vec<IniSection>, SourceFault> {
    let name: Arc<str> = file.name.as_str().into();
    let fault = |line: usize, reason: String| SourceFault { file: file.name.clone(), line, reason };
    if file.text.len() > SOURCE_BYTES_MAX {
        return Err(fault(1, format!("it has more than {SOURCE_BYTES_MAX} bytes")));
    }
    let mut sections = IniSections::default();
    let mut is_comment = false;
    for (line, text) in (1..).zip(file.text.lines()) {
        let at = Spot { file: name.clone(), line };
        let plain = without_comments(text, &mut is_comment);
        let plain = plain.trim();
        if let Some(directive) = plain.strip_prefix('#') {
            let reason = format!(
                "#{} is not followed: put the included text in its place",
                directive.split_whitespace().next().unwrap_or_default()
            );
            return Err(fault(line, reason));
        }
        if plain.is_empty() {
            continue;
        }
        let taken = if plain.starts_with('[') { sections.begin(plain, at) } else { sections.set(plain, at) };
        taken.map_err(|reason| fault(line, reason))?;
    }
    Ok(sections.list.into_iter().filter(|section| !section.is_template).collect())
}

/// The line without what stands behind `;` and between `;--` and `--;`, which may end on a later line.
fn without_comments(line: &str, is_comment: &mut bool) -> String {
    let (mut plain, mut rest) = (String::new(), line);
    loop {
        if *is_comment {
            let Some((_, behind)) = rest.split_once("--;") else { return plain };
            (*is_comment, rest) = (false, behind);
        }
        let Some((before, behind)) = rest.split_once(';') else { return plain + rest };
        plain.push_str(before);
        if plain.ends_with('\\') {
            plain.pop();
            plain.push(';');
            rest = behind;
        } else if behind.starts_with("--") && !behind.starts_with("---") {
            *is_comment = true;
            rest = behind.get(2..).unwrap_or_default();
        } else {
            return plain;
        }
    }
}

#[derive(Default)]
struct IniSections {
    list: Vec<IniSection>,
    /// The section that settings belong to.
    open: Option<usize>,
    settings: usize,
}

impl IniSections {
    /// `[name]`, `[name](!)`, `[name](template,...)`, `[name](+)`.
    fn begin(&mut self, text: &str, at: Spot) -> Result<(), String> {
        let (name, rest) =
            text.trim_start_matches('[').split_once(']').ok_or("the section's name is not closed by ]")?;
        let (name, rest) = (name.trim(), rest.trim());
        let options = match rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(options) => options,
            None if rest.is_empty() => "",
            None => return Err(format!("{rest:?} is neither a template nor (!) nor (+)")),
        };
        let (mut is_template, mut adds, mut inherited) = (false, false, Vec::new());
        for option in options.split(',').map(str::trim).filter(|option| !option.is_empty()) {
            match option {
                "!" => is_template = true,
                "+" => adds = true,
                other if other.starts_with('+') => return Err(format!("({other}) is not known: only (+)")),
                template => {
                    let found = self.list.iter().rev().find(|section| section.name == template);
                    let found = found.ok_or_else(|| format!("there is no section {template} before this one"))?;
                    inherited.extend(found.settings.iter().cloned());
                }
            }
        }
        self.count(inherited.len())?;
        if adds {
            let mut same = (0..).zip(&self.list).filter(|(_, section)| section.name == name).map(|(place, _)| place);
            let first = same.next().ok_or_else(|| format!("there is no section {name} before this one"))?;
            if same.next().is_some() {
                return Err(format!("there are several sections {name}, so (+) does not say which"));
            }
            self.open = Some(first);
        } else {
            self.open = Some(self.list.len());
            self.list.push(IniSection { name: name.to_owned(), at, settings: Vec::new(), is_template });
        }
        inherited.into_iter().try_for_each(|setting| self.push(setting))
    }

    /// `key = value` or `key => value`.
    fn set(&mut self, text: &str, at: Spot) -> Result<(), String> {
        let (key, value) = text.split_once('=').ok_or("it is neither a section nor key = value")?;
        let (key, value) = (key.trim().to_lowercase(), value.strip_prefix('>').unwrap_or(value).trim());
        self.count(1)?;
        self.push(IniSetting { key, value: value.to_owned(), at })
    }

    fn count(&mut self, more: usize) -> Result<(), String> {
        self.settings += more;
        let is_over = self.settings > ALL_SETTINGS_MAX;
        if is_over { Err(format!("the file has more than {ALL_SETTINGS_MAX} settings")) } else { Ok(()) }
    }

    fn push(&mut self, setting: IniSetting) -> Result<(), String> {
        let open = self.open.and_then(|open| self.list.get_mut(open));
        let section = open.ok_or("it stands before the first section")?;
        if section.settings.len() >= SETTINGS_MAX {
            return Err(format!("a section has more than {SETTINGS_MAX} settings"));
        }
        section.settings.push(setting);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections(text: &str) -> Result<Vec<IniSection>, String> {
        read(&SourceFile { name: "x.conf".into(), text: text.into() }).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_section_has_its_templates_settings_and_its_own_after_them() {
        let text = "[base](!) ; a template\nallow = alaw\nallow=ulaw\n;-- none\nof this --; rtp=yes\n\
                    [101](base)\ncallerid => \"A \\; B\" <101>\n[101](+)\nallow = opus\n";
        let sections = sections(text).unwrap();
        assert_eq!(sections.len(), 1);
        let phone = &sections[0];
        let allowed: Vec<_> = phone.every("allow").map(|one| (one.value.as_str(), one.at.line)).collect();
        assert_eq!(allowed, [("alaw", 2), ("ulaw", 3), ("opus", 9)]);
        assert_eq!(phone.value("callerid"), Some("\"A ; B\" <101>"));
        assert!(phone.is_on("rtp") && !phone.is_on("allow"));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_line() {
        for (text, told) in [
            ("[a]\n#include \"b.conf\"\n", "x.conf:2: #include is not followed: put the included text in its place"),
            ("a = b\n", "x.conf:1: it stands before the first section"),
            ("[a](b)\n", "x.conf:1: there is no section b before this one"),
            ("[a](+)\n", "x.conf:1: there is no section a before this one"),
            ("[a]\n[a]\n[a](+)\n", "x.conf:3: there are several sections a, so (+) does not say which"),
            ("[a\n", "x.conf:1: the section's name is not closed by ]"),
            ("[a]\nb\n", "x.conf:2: it is neither a section nor key = value"),
        ] {
            assert_eq!(sections(text).unwrap_err(), told);
        }
    }
}
