//! Bayeux as the published clients need it, message by message.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use testkit::agents::baresip_phone;
use testkit::{Answer, Installation, Watch, wait};

use super::desk::{PlainDesk, VOICE};
use super::{OWN, agent};

const SOON: Duration = Duration::from_secs(60);

/// The reply to the message of that id.
fn reply<'m>(messages: &'m [Value], id: &str) -> Result<&'m Value> {
    messages.iter().find(|message| message["id"] == id).with_context(|| format!("no reply to {id} in {messages:?}"))
}

#[test]
fn what_happens_before_the_subscription_is_told_behind_it() -> Result<()> {
    let site = Installation::start()?;
    let watch = Watch::start(&site, "0-0")?;
    let user = agent(&site, 0)?;
    let _phone = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut desk = PlainDesk::new(&site, user)?;
    desk.shake_hands()?;
    desk.activates(user)?;
    watch.wait_for("AgentLogin@7101", SOON)?;
    desk.operates("ready", &Value::Null)?;
    watch.wait_for("AgentReady@7101", SOON)?;
    // What nobody is subscribed to stays where it is.
    desk.connects_at_once()?;
    ensure!(desk.told.is_empty(), "{:?}", desk.told);
    desk.subscribe(VOICE)?;
    let ready = desk.comes_to_be("Ready")?;
    ensure!(ready["dn"]["number"] == OWN && ready["dn"]["agentId"] == json!(user.agent), "{ready}");
    // It is the present state that is told, and nothing older behind it.
    let states: Vec<&Value> = desk.told.iter().map(|data| &data["dn"]["agentState"]).collect();
    ensure!(states.last() == Some(&&json!("Ready")), "{states:?}");
    Ok(())
}

#[test]
fn a_second_long_poll_releases_the_first_and_gets_what_comes() -> Result<()> {
    let site = Installation::start()?;
    let user = agent(&site, 0)?;
    let _phone = baresip_phone(&site, 10, OWN, Answer::Auto)?;
    let mut desk = PlainDesk::begun(&site, user)?;
    desk.activates(user)?;
    desk.operates("ready", &Value::Null)?;
    desk.comes_to_be("Ready")?;
    while desk.connects_at_once()? {}
    let further = json!({"connectionType": "long-polling"});
    let polls = ["p1", "p2"].map(|id| desk.message(id, "/meta/connect", &further));
    let desk = &desk;
    let answers = std::thread::scope(|scope| {
        let parked = polls.each_ref().map(|poll| scope.spawn(move || desk.send("/connect", poll)));
        // Whichever was first.
        let is_released = wait::until(SOON, || Ok(parked.iter().any(|poll| poll.is_finished()).then_some(())));
        let asked = desk.operates("not-ready", &json!({"data": {}, "reasonCode": "Lunch"}));
        let answers = parked.map(|poll| poll.join().map_err(|_| anyhow!("a poll panicked")));
        is_released.context("both wait")?;
        asked?;
        anyhow::Ok(answers)
    })?;
    let [one, two] = answers;
    let mut answers = [one??, two??];
    answers.sort_by_key(Vec::len);
    let [released, told] = &answers;
    let [released] = released.as_slice() else { return Err(anyhow!("the first brings something: {released:?}")) };
    ensure!(released["channel"] == "/meta/connect" && released["successful"] == true, "{released}");
    let event = told.first().context("the second brings nothing")?;
    let dn = &event["data"]["dn"];
    ensure!(event["channel"] == VOICE && dn["agentState"] == "NotReady", "{told:?}");
    let lunch = json!({"key": "ReasonCode", "type": "str", "value": "Lunch"});
    ensure!(dn["reasons"].as_array().is_some_and(|reasons| reasons.contains(&lunch)), "{dn}");
    let last = told.last().filter(|last| last["successful"] == true);
    let id = last.and_then(|last| last["id"].as_str()).with_context(|| format!("the reply comes last: {told:?}"))?;
    // Whoever was to pass the answer on has lost it, and sends the poll once more.
    let again = desk.send("/connect", &desk.message(id, "/meta/connect", &further))?;
    ensure!(again.first() == Some(event), "{again:?}");
    Ok(())
}

#[test]
fn batches_are_answered_message_by_message_and_unknown_clients_go_on() -> Result<()> {
    let site = Installation::start()?;
    let mut desk = PlainDesk::new(&site, agent(&site, 0)?)?;
    desk.shake_hands()?;
    let message = |id: &str, channel: &str, further: Value| {
        let one = desk.message(id, channel, &further);
        one.get(0).cloned().context("a batch of one")
    };
    let media = json!({"subscription": "/workspace/v3/media"});
    let batch = Value::Array(vec![
        message("1", "/meta/subscribe", media.clone())?,
        message("2", "/meta/unsubscribe", media)?,
        message("3", VOICE, json!({"data": {"messageType": "DnStateChanged"}}))?,
    ]);
    // The path says nothing.
    for path in ["", "/", "/subscribe", "/unsubscribe"] {
        let answers = desk.send(path, &batch)?;
        ensure!(answers.len() == 3, "{path}: {answers:?}");
        for id in ["1", "2"] {
            ensure!(reply(&answers, id)?["successful"] == true, "{path}: {answers:?}");
        }
        let refused = reply(&answers, "3")?;
        let is_refused = refused["error"].as_str().is_some_and(|error| error.starts_with("403"));
        ensure!(refused["successful"] == false && is_refused, "a desktop publishes: {refused}");
    }
    let stranger = json!([{"id": "4", "channel": "/meta/connect", "clientId": "nobody", "connectionType": "long-polling",
         "advice": {"timeout": 0}}]);
    let answers = desk.send("/connect", &stranger)?;
    let unknown = reply(&answers, "4")?;
    // A client that shook hands again would go deaf: it has subscribed once, and does not again.
    ensure!(unknown["successful"] == true && unknown["clientId"] == "nobody", "{unknown}");
    for wrong in [json!("text"), json!([1]), json!([{"id": "5"}])] {
        let (status, body) = desk.ask("POST", "notifications/", &wrong)?;
        ensure!(status == 400 || body[0]["successful"] == false, "{wrong}: {status} {body}");
    }
    let left = message("6", "/meta/disconnect", json!({}))?;
    let answers = desk.send("/disconnect", &json!([left]))?;
    ensure!(reply(&answers, "6")?["successful"] == true, "{answers:?}");
    let late = message("7", "/meta/connect", json!({"connectionType": "long-polling"}))?;
    let answers = desk.send("/connect", &json!([late]))?;
    ensure!(reply(&answers, "7")?["successful"] == false, "who has left is there: {answers:?}");
    // The session is another thing: a page that is loaded again shakes hands again.
    desk.shake_hands()
}
