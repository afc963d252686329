//! Login codes: who does not see a person gives that person none.

use super::*;

#[test]
fn a_login_code_for_somebody_who_is_not_seen_is_one_for_nobody() {
    let mut all = cities();
    all.folders[0].permissions = vec![entry("Berlin", &FolderRight::ALL)];
    let held = indexed(&all);
    let code = |user: &str, person: &str| {
        let document = format!(r#"{{"code":"5001","person":"{person}","folder":"Berlin"}}"#);
        plan(&held, user, ObjectKind::AgentLogin, "5001", EditAction::Put(document))
    };
    // Bob is in her folder; Sue is in none, Hal in one that entries hide.
    assert!(code("ann", "bob").is_ok());
    let of_nobody = faults(code("ann", "nobody"));
    for unseen in ["sue", "hal"] {
        assert!(code("root", unseen).is_ok(), "{unseen}");
        let told = faults(code("ann", unseen));
        assert_eq!((told.len(), of_nobody.len()), (1, 1));
        assert_eq!((told[0].rule.code, &told[0].field), (of_nobody[0].rule.code, &of_nobody[0].field));
        assert_eq!(told[0].rule.words.replace(unseen, "nobody"), of_nobody[0].rule.words);
    }
}
