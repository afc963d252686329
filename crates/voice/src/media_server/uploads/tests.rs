use contracts::configuration::{Changes, Listed};
use net::configuration::TenantConfig;

use super::*;

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn prompt(audio: &[(&str, &str)]) -> Prompt {
    let mut prompt = Prompt::of_file("menu".to_owned(), "menu.wav".to_owned());
    let one = |(language, sha256): &(&str, &str)| PromptAudio {
        language: (*language).to_owned(),
        sha256: (*sha256).to_owned(),
    };
    prompt.audio = audio.iter().map(one).collect();
    prompt
}

fn tenants(prompt: Prompt) -> Tenants {
    let object = serde_json::to_value(&prompt).unwrap();
    let objects = vec![Listed { kind: ObjectKind::Prompt, id: prompt.name, object }];
    let all = Changes { version: "1-1".to_owned(), whole: true, objects, gone: Vec::new(), next: None };
    Arc::new(HashMap::from([(acme(), TenantConfig::after(None, all))]))
}

/// Recordings of the prompt `menu` of the tenant `acme`, kept in that folder: of each the language and the samples.
pub(in crate::media_server) fn kept(folder: &Path, recordings: &[(&str, &[i16])]) -> Uploads {
    kept_and_lost(folder, recordings).0
}

/// The same, and where it is told which ones cannot be read.
pub(in crate::media_server) fn kept_and_lost(
    folder: &Path,
    recordings: &[(&str, &[i16])],
) -> (Uploads, mpsc::Receiver<(TenantId, String)>) {
    let mut audio = Vec::new();
    for (language, samples) in recordings {
        let wav = wav::build(samples);
        let sha256: String = Sha256::digest(&wav).iter().map(|byte| format!("{byte:02x}")).collect();
        keep(&file_of(folder, &acme(), &sha256).unwrap(), &sha256, &wav).unwrap();
        audio.push((*language, sha256));
    }
    let audio: Vec<(&str, &str)> = audio.iter().map(|(language, sha256)| (*language, sha256.as_str())).collect();
    let playable = playable(&Playable::new(), &tenants(prompt(&audio)), |_| true);
    let (lost, told) = mpsc::channel(1);
    (Uploads { folder: folder.to_owned(), playable: watch::channel(Arc::new(playable)).1, lost }, told)
}

#[test]
fn a_prompt_plays_what_it_played_until_all_that_replaces_it_is_here() {
    let here = |names: &'static [&'static str]| move |(_, sha256): &Recording| names.contains(&sha256.as_str());
    let told = |playable: &Playable| {
        let audio = playable.get(&acme()).and_then(|prompts| prompts.get("menu")).map(|prompt| &prompt.audio);
        audio.into_iter().flatten().map(|audio| audio.sha256.clone()).collect::<Vec<_>>()
    };
    let first = playable(&Playable::new(), &tenants(prompt(&[("en", "a"), ("de", "b")])), here(&["b"]));
    assert_eq!(told(&first), ["b"], "better one language than none");
    let whole = playable(&first, &tenants(prompt(&[("en", "a"), ("de", "b")])), here(&["a", "b"]));
    assert_eq!(told(&whole), ["a", "b"]);
    let replaced = tenants(prompt(&[("en", "c"), ("de", "b")]));
    let waiting = playable(&whole, &replaced, here(&["a", "b"]));
    assert_eq!(told(&waiting), ["a", "b"]);
    assert_eq!(told(&playable(&waiting, &replaced, here(&["a", "b", "c"]))), ["c", "b"]);
    assert_eq!(told(&playable(&waiting, &tenants(prompt(&[])), here(&["a", "b"]))), [""; 0], "nothing is left of it");
}

#[test]
fn only_what_is_as_it_is_called_and_can_be_played_is_kept_and_found_again() {
    let folder = std::env::temp_dir().join(format!("trunkline-uploads-{}", std::process::id()));
    let uploads = kept(&folder, &[("en", &[1; 10])]);
    let file = uploads.file(&acme(), "menu", None).unwrap();
    assert_eq!(wav::parse(&fs::read(&file).unwrap()).unwrap(), [1; 10]);
    assert_eq!(uploads.file(&acme(), "other", None), None);
    assert_eq!(uploads.file(&TenantId::parse("other").unwrap(), "menu", None), None);
    let found = on_disk(&folder);
    assert_eq!(found.into_iter().map(|((tenant, _), bytes)| (tenant, bytes)).collect::<Vec<_>>(), [(acme(), 64)]);
    let text = b"no audio";
    let sha256: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    let elsewhere = file_of(&folder, &acme(), &sha256).unwrap();
    assert!(matches!(keep(&elsewhere, &sha256, text), Err(FetchError::Unplayable(_))));
    assert!(matches!(keep(&elsewhere, &sha256, &wav::build(&[1])), Err(FetchError::Other)));
    assert!(!elsewhere.exists() && file_of(&folder, &acme(), "../keys").is_none());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_damaged_recording_is_not_taken_for_the_one_it_was() {
    let folder = std::env::temp_dir().join(format!("trunkline-damaged-uploads-{}", std::process::id()));
    let uploads = kept(&folder, &[("en", &[1; 10]), ("de", &[2; 20])]);
    let damaged = uploads.file(&acme(), "menu", Some("de")).unwrap();
    let mut bytes = fs::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let whole = uploads.file(&acme(), "menu", Some("en")).unwrap();
    let found: Vec<PathBuf> =
        on_disk(&folder).keys().filter_map(|(tenant, sha256)| file_of(&folder, tenant, sha256)).collect();
    assert_eq!(found, [whole]);
    assert!(!damaged.exists());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_recording_that_tenant_refuses_keeps_no_other_one_waiting() {
    let refused = |status: Status| FetchError::Refused(Box::new(status)).concerns_all();
    assert!(FetchError::Silent.concerns_all() && refused(Status::unavailable("it starts")));
    assert!(!refused(Status::not_found("gone")) && !refused(Status::permission_denied("no")));
    assert!(!refused(Status::internal("damaged")) && !refused(Status::resource_exhausted("too many")));
    let recording = |name: &str| (acme(), name.to_owned());
    let wanted = ["a", "b", "c"].map(recording);
    let order = in_order(wanted.into_iter(), &HashSet::from([recording("a")]));
    assert_eq!(order, ["b", "c", "a"].map(recording));
}
