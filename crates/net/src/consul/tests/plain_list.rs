//! A source without anything behind it: a list that cannot wait, as a name server has one.

use std::sync::Mutex;

use super::*;

#[derive(Clone)]
pub struct PlainList(Arc<Mutex<ListState>>);

#[derive(Default)]
struct ListState {
    replicas: Vec<IpAddr>,
    is_away: bool,
    wrong: Option<Vec<IpAddr>>,
}

impl PlainList {
    pub fn start() -> Self {
        Self(Arc::default())
    }
}

impl SourceWorld for PlainList {
    fn client(&self) -> Arc<dyn SourceClient> {
        Arc::new(self.clone())
    }

    fn has(&self, replicas: &[IpAddr]) {
        self.0.lock().unwrap().replicas = replicas.to_vec();
    }

    fn is_away(&self, is_away: bool) {
        self.0.lock().unwrap().is_away = is_away;
    }

    fn contradicts(&self, replicas: Option<&[IpAddr]>) {
        self.0.lock().unwrap().wrong = replicas.map(<[IpAddr]>::to_vec);
    }

    fn lag(&self) -> Duration {
        followed::PAUSE_MAX
    }
}

impl SourceClient for PlainList {
    fn place(&self) -> String {
        "a list".to_owned()
    }

    fn announce(&self, _: AnnounceStep, _: ReplicaHealth) -> BoxFuture<'_, Result<(), SourceFault>> {
        Box::pin(async { Ok(()) })
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<(), SourceFault>> {
        Box::pin(async { Ok(()) })
    }

    fn replicas(&self, _: &'static str, _: Option<u64>) -> BoxFuture<'_, Result<RoleAnswer, SourceFault>> {
        let state = self.0.lock().unwrap();
        let replicas = state.wrong.as_ref().unwrap_or(&state.replicas).iter().copied().map(announced).collect();
        let answer = if state.is_away {
            Err(SourceFault::Away("it is away".to_owned()))
        } else {
            Ok(RoleAnswer { replicas, ..RoleAnswer::default() })
        };
        Box::pin(async move { answer })
    }
}
