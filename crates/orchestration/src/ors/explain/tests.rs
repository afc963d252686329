use super::*;

#[test]
fn what_somebody_typed_in_is_not_in_the_words_of_an_application() {
    let data =
        Value::Map(vec![("digits".to_owned(), Value::from("4711")), ("result".to_owned(), Value::from("Collected"))]);
    let event = Event::external("dialog.collect.done", data);
    assert_eq!(outcome(&event, true, TypedDigits::Plain), "result=Collected");
}

#[test]
fn behind_a_secret_no_digit_of_it_is_told_whatever_the_application_says() {
    let text = |step| match in_words(step, TypedDigits::Secret) {
        What::Step(step) => step.text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(scxml::Step::Log("the 4 was pressed".to_owned())), "the *** was pressed");
    let pair = |key: &str, value: Value| (key.to_owned(), value);
    let data = Value::Map(vec![pair("result", "7".into()), pair("dn", "7101".into()), pair("position", 3.0.into())]);
    let told = text(scxml::Step::Event { event: Event::external("own", data), taken: true });
    assert_eq!(told, "result=*** dn=7101 position=3");
}
