//! Feature codes that require the agent's PIN, typed at a baresip phone as RFC 4733 digits.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use testkit::agents::baresip_phone;
use testkit::caller::prompt_samples;
use testkit::{Answer, Installation, Phone, Watch, audio, wait};

use super::carried::carried;

const SOON: Duration = Duration::from_secs(45);
const LATER: Duration = Duration::from_secs(60);
const ALIKE: f64 = 0.9;
/// The feature code: not in the example, so that its first answer proves the new configuration.
const CODE: &str = "*59";
/// The agent at 7101, as the example has it.
const AGENT: &str = "{id: \"1001\", login_code: \"1001\", pin: generated";
/// The agent's PIN: long enough not to occur in a time or an address.
const PIN: &str = "80917264";

/// The example with [`CODE`] and [`PIN`].
fn site_with_pin() -> Result<Installation> {
    let site = Installation::start_with(&["--set", "process.log=debug"])?;
    site.import_changed(|folder| {
        let file = folder.join("example-tenant.yaml");
        let text = fs::read_to_string(&file)?;
        let login = "  - {code: \"*50\", action: login}\n";
        ensure!(text.contains(login) && text.contains(AGENT), "the example has changed");
        let more = format!("{login}  - {{code: \"{CODE}\", action: login, ask_pin: true}}\n");
        let text = text.replace(login, &more).replace(AGENT, &AGENT.replace("generated", &format!("\"{PIN}\"")));
        Ok(fs::write(&file, text)?)
    })?;
    Ok(site)
}

/// Dials [`CODE`] until the dial plan knows it.
fn dial_code(phone: &mut Phone) -> Result<()> {
    wait::until(LATER, || {
        phone.dial(CODE)?;
        wait::until(
            SOON,
            || Ok((phone.has_seen("CALL_ESTABLISHED")? || phone.has_seen("CALL_CLOSED")?).then_some(())),
        )?;
        if phone.has_seen("CALL_ESTABLISHED")? {
            return phone.wait_for("CALL_ESTABLISHED", SOON).map(Some);
        }
        phone.wait_for("CALL_CLOSED", SOON)?;
        Ok(None)
    })?;
    Ok(())
}

/// Waits for half a second more of the prompt, then types over it.
fn type_digits(phone: &mut Phone, digits: &str) -> Result<()> {
    let before = phone.heard_bytes();
    wait::until(SOON, || Ok((phone.heard_bytes() >= before + 8_000).then_some(()))).context("no prompt is heard")?;
    digits.chars().try_for_each(|digit| phone.digit(digit))
}

fn heard_prompt(phone: &Phone, prompt: &str) -> Result<()> {
    let heard = audio::read_wav(&phone.heard()?)?;
    ensure!(audio::is_mostly_heard(&prompt_samples(prompt)?, &heard, ALIKE), "{prompt} is not heard");
    Ok(())
}

/// The bytes of a file; none if it has gone since its folder was read, as what has been exported goes and a snapshot that gets its final name.
fn read_if_there(file: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The log, and the files of a data directory that contain facts.
fn told(site: &Installation) -> Result<Vec<String>> {
    fn read(folder: &Path, texts: &mut Vec<String>) -> Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                read(&path, texts)?;
            } else if let Some(bytes) = read_if_there(&path)? {
                texts.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        Ok(())
    }
    let mut texts = site.log();
    let folders = ["reporting", "reporting-waiting"].map(|folder| site.data_dir().join(folder));
    folders.iter().filter(|folder| folder.is_dir()).try_for_each(|folder| read(folder, &mut texts))?;
    Ok(texts)
}

#[test]
fn an_agent_types_the_pin_and_is_logged_in_and_nothing_tells_the_pin() -> Result<()> {
    let site = site_with_pin()?;
    let mut phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    dial_code(&mut phone)?;
    type_digits(&mut phone, PIN)?;
    phone.wait_for("CALL_CLOSED", LATER)?;
    heard_prompt(&phone, "logged-in")?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 1.0, SOON)?;
    site.is_at_rest()?;
    let texts = told(&site)?;
    // With servers as stores the reporting log is Kafka, which does not run here: the facts waiting for it are searched.
    let has_facts = site.is_on_servers() || texts.iter().any(|text| text.contains("EventAgentLogin"));
    ensure!(has_facts, "the facts are looked through");
    let telling = texts.iter().find(|text| text.contains(PIN));
    ensure!(telling.is_none(), "the PIN is told: {telling:?}");
    Ok(())
}

/// The current files of a data directory that contain calls and their audio.
fn journals(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            journals(&path, found)?;
        } else if let Some(bytes) = read_if_there(&path)? {
            found.push((path.display().to_string(), bytes));
        }
    }
    Ok(())
}

/// Forms of the typed digits in a record (a string with its length before it), in JSON, and in MSML.
fn written_forms(digits: &str) -> Vec<Vec<u8>> {
    let mut of_record = vec![digits.len() as u8];
    of_record.extend(digits.bytes());
    vec![of_record, format!("\"{digits}\"").into_bytes(), format!(">{digits}<").into_bytes()]
}

/// Number of occurrences of the digits in the journals.
fn written(site: &Installation, digits: &str) -> Result<usize> {
    let mut found = Vec::new();
    site.stored_in().iter().try_for_each(|folder| journals(folder, &mut found))?;
    let is_configuration = |name: &str| name.contains("configuration") || name.contains("postgresql");
    let found: Vec<_> = found.into_iter().filter(|(name, _)| !is_configuration(name)).collect();
    let is_journal = |name: &str| name.contains("stores") || name.ends_with(".aof");
    ensure!(found.iter().any(|(name, bytes)| is_journal(name) && bytes.len() > 1_000), "there is a journal");
    let count = |bytes: &[u8], form: &[u8]| bytes.windows(form.len()).filter(|window| *window == form).count();
    let forms = written_forms(digits);
    Ok(found.iter().flat_map(|(_, bytes)| forms.iter().map(|form| count(bytes, form))).sum())
}

#[test]
fn a_pin_is_written_into_no_journal_not_even_in_part() -> Result<()> {
    let site = site_with_pin()?;
    let mut phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    dial_code(&mut phone)?;
    type_digits(&mut phone, PIN)?;
    phone.wait_for("CALL_CLOSED", LATER)?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 1.0, SOON)?;
    site.is_at_rest()?;
    // Keys arrive one by one. The configuration has the PIN as a hash.
    for digits in (3..=PIN.len()).map(|length| &PIN[..length]) {
        ensure!(written(&site, digits)? == 0, "{digits} stands in a journal");
    }
    Ok(())
}

#[test]
fn a_pin_typed_wrong_three_times_logs_nobody_in_and_makes_the_phone_wait() -> Result<()> {
    let site = site_with_pin()?;
    let mut phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    dial_code(&mut phone)?;
    for (wrong, digits) in ["00000000", "123#", "80917265"].into_iter().enumerate() {
        type_digits(&mut phone, digits)?;
        site.metric_becomes("config", "config_pins_wrong_total", wrong as f64 + 1.0, SOON)?;
    }
    phone.wait_for("CALL_CLOSED", LATER)?;
    heard_prompt(&phone, "error")?;
    // The right PIN does not help now: it is not even requested.
    dial_code(&mut phone)?;
    phone.wait_for("CALL_CLOSED", LATER)?;
    heard_prompt(&phone, "error")?;
    site.metric_becomes("config", "config_pins_refused_total", 1.0, SOON)?;
    site.metric_becomes("agent-state", "agentstate_agents_logged_in", 0.0, SOON)?;
    site.is_at_rest()
}

/// And voice-28: sip-cluster has the verdict from config, which counts the wrong one.
#[test]
fn a_login_by_request_has_the_pin_as_its_password_and_nothing_tells_one() -> Result<()> {
    const WRONG: &str = "hush-hush-80917264";
    let site = site_with_pin()?;
    let watch = Watch::start(&site, "0-0")?;
    let mut phone = baresip_phone(&site, 10, "7101", Answer::Auto)?;
    // The configuration is known then.
    dial_code(&mut phone)?;
    phone.hang_up()?;
    phone.wait_for("CALL_CLOSED", SOON)?;
    let login = |reference: u64, password: &str| {
        site.request(&json!({
            "req": "TAgentLogin", "ThisDN": "7101", "AgentID": "1001", "AgentWorkMode": "ManualIn",
            "Password": password, "ReferenceID": reference,
        }))?;
        watch.answer_to(reference, SOON)
    };
    let before = carried(&site, "sip-cluster", "config", 9_100)?;
    let refused = login(71, WRONG)?;
    assert_eq!(refused.frame["ErrorCode"], json!(119), "{refused:?}");
    assert_eq!(login(72, PIN)?.brief(), "AgentLogin@7101");
    site.metric_becomes("config", "config_pins_wrong_total", 1.0, SOON)?;
    let after = carried(&site, "sip-cluster", "config", 9_100)?;
    let is_asked = after.sent >= before.sent + (WRONG.len() + PIN.len()) as u64 && after.received > before.received;
    ensure!(is_asked, "voice-28: {before:?}, then {after:?}");
    site.is_at_rest()?;
    ensure!(written(&site, WRONG)? == 0, "the password stands in a journal");
    let telling = told(&site)?.into_iter().find(|text| text.contains(PIN));
    ensure!(telling.is_none(), "a password is told: {telling:?}");
    Ok(())
}
