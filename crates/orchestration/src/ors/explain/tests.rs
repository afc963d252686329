use super::*;

#[test]
fn what_somebody_typed_in_is_not_in_the_words_of_an_application() {
    assert_eq!(without_digits("pin 4711, try 2 of 3"), "pin ***, try 2 of 3");
    let data =
        Value::Map(vec![("digits".to_owned(), Value::from("4711")), ("result".to_owned(), Value::from("Collected"))]);
    assert_eq!(outcome(&Event::external("dialog.collect.done", data), true), "result=Collected");
}
