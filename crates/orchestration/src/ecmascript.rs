//! The ECMAScript data model (W3C SCXML B.2) on QuickJS, sandboxed. Memory, stack and work are limited, and a document sees the
//! language's own objects only: no files, no network, no timers, no modules.
//!
//! Work is counted in operations of the engine, not in time: a script that exceeds the limit stops at the same place on a busy machine,
//! on an idle one, and in a simulation. A time limit backs this up, so generous that only a machine in trouble reaches it.
//!
//! Expressions are compiled at first use and kept for the session. Evaluation is in sloppy mode, as documents expect. Assignment is
//! strict, so that a location that does not exist is an error and not a new variable.

mod convert;
mod lookups;

pub(crate) use convert::{from_json, to_json};
pub use lookups::ReadTenant;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::ApplicationOptions;
use infra::Clock;
use model::Timestamp;
use rquickjs::context::intrinsic;
use rquickjs::function::IntoArgs;
use rquickjs::{CatchResultExt, CaughtError, Context, Ctx, FromJs, Function, Object, Persistent, Runtime};
use scxml::document::Syntax;
use scxml::{Datamodel, EvalError, Event, Expr, LimitKind, Value};

/// Limits of a document's scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptLimits {
    /// Memory of one session's variables and functions, in bytes.
    pub memory_bytes: usize,
    /// Stack of one evaluation, in bytes.
    pub stack_bytes: usize,
    /// Work of one evaluation, in rounds of some 10,000 calls, loop iterations or regular expression steps.
    pub evaluation: u32,
    /// Work of all evaluations of one input together, in rounds.
    pub input: u32,
    /// Time of one evaluation.
    pub time: Duration,
}

/// Time of all evaluations of an input, as a multiple of one evaluation's time.
const TIMES_PER_INPUT: u32 = 3;

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 20,
            stack_bytes: 256 << 10,
            // A tenth of a second of an idle core.
            evaluation: 1_000,
            input: 3_000,
            time: Duration::from_secs(2),
        }
    }
}

/// The data that the platform keeps up to date for a session: `_genesys`.
#[derive(Debug, Default)]
pub struct PlatformObjects {
    value: Value,
    revision: u64,
}

impl PlatformObjects {
    /// Sets new contents, visible to the session from its next input on.
    pub fn set(&mut self, value: Value) {
        self.value = value;
        self.revision += 1;
    }
}

/// The data model of one session. It stays on the thread that made it.
pub struct Ecmascript {
    // Dropped in this order: functions before their context, the context before its runtime.
    functions: HashMap<(Form, Arc<str>), Persistent<Function<'static>>>,
    prelude: Persistent<Object<'static>>,
    context: Context,
    guard: Guard,
    platform: Rc<RefCell<PlatformObjects>>,
    platform_shown: u64,
    start: Value,
}

/// How a piece of text is compiled.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Expression,
    Assignment,
    Name,
}

/// Enforces the limits of work and time.
struct Guard {
    clock: Arc<dyn Clock>,
    limits: ScriptLimits,
    watch: Rc<Watch>,
    input_ends: Timestamp,
}

/// The counters that the engine's interrupt handler checks after each round.
struct Watch {
    /// Rounds of this input.
    rounds: Cell<u32>,
    /// The evaluation is interrupted when it has used more.
    rounds_max: Cell<u32>,
    deadline: Cell<Timestamp>,
    cut: Cell<bool>,
}

/// Compiled expressions per session: more than any document has states, and a bound for documents that build expressions.
const FUNCTIONS_MAX: usize = 8_192;

/// The language without features that reach outside or run later.
type Language = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::MapSet,
    // The engine fails on an `async` function without it. Code that waits for a promise never runs, since the job queue is never run.
    intrinsic::Promise,
);

impl Ecmascript {
    /// A data model with `start` as `_data`, and as `_genesys` `platform` with the functions that look up in `tenant` and in `options`,
    /// those of the application.
    ///
    /// # Errors
    /// [`EvalError::Limit`] if the memory limit is too small for the language itself.
    pub fn new(
        limits: ScriptLimits,
        clock: Arc<dyn Clock>,
        start: Value,
        platform: Rc<RefCell<PlatformObjects>>,
        tenant: &ReadTenant,
        options: &Arc<ApplicationOptions>,
    ) -> Result<Self, EvalError> {
        let (context, guard) = fenced(limits, Arc::clone(&clock))?;
        let prelude = context
            .with(|ctx| {
                let prelude: Function<'_> = ctx.eval(PRELUDE)?;
                let object: Object<'_> = prelude.call((lookups::functions(&ctx, tenant, options, &clock)?,))?;
                Ok::<_, rquickjs::Error>(Persistent::save(&ctx, object))
            })
            .map_err(|_| EvalError::Limit(LimitKind::ScriptMemory))?;
        let functions = HashMap::new();
        Ok(Self { functions, prelude, context, guard, platform, platform_shown: 0, start })
    }

    /// Runs `body` within the limits and maps its failures to an error.
    fn guarded<T>(&mut self, body: impl for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<T>) -> Result<T, EvalError> {
        self.guard.begin();
        let guard = &self.guard;
        self.context.with(|ctx| body(&ctx).catch(&ctx).map_err(|error| guard.explain(&error)))
    }

    /// Calls a function of the prelude.
    fn prelude<A, T>(&mut self, name: &str, args: A) -> Result<T, EvalError>
    where
        A: for<'js> FnOnce(&Ctx<'js>) -> rquickjs::Result<Vec<rquickjs::Value<'js>>>,
        T: for<'js> FromJs<'js>,
    {
        let prelude = self.prelude.clone();
        self.guarded(|ctx| {
            let function: Function<'_> = prelude.restore(ctx)?.get(name)?;
            let mut list = rquickjs::function::Args::new(ctx.clone(), 0);
            list.push_args(args(ctx)?)?;
            function.call_arg(list)
        })
    }

    /// Compiles a piece of the document, and caches it.
    fn compiled(&mut self, form: Form, text: &Arc<str>) -> Result<Persistent<Function<'static>>, EvalError> {
        if let Some(function) = self.functions.get(&(form, Arc::clone(text))) {
            return Ok(function.clone());
        }
        fence(text).map_err(EvalError::Execution)?;
        let source = form.source(text);
        let function = self.guarded(|ctx| Ok(Persistent::save(ctx, sloppy::<Function<'_>>(ctx, source)?)))?;
        if self.functions.len() < FUNCTIONS_MAX {
            self.functions.insert((form, Arc::clone(text)), function.clone());
        }
        Ok(function)
    }

    fn call<T: for<'js> FromJs<'js>>(&mut self, form: Form, expr: &Expr) -> Result<T, EvalError> {
        let function = self.compiled(form, &expr.text)?;
        self.guarded(|ctx| call(function.restore(ctx)?, ()))
    }

    fn check_name(&mut self, name: &str) -> Result<(), EvalError> {
        self.compiled(Form::Name, &Arc::from(name)).map(|_| ())
    }
}

impl Datamodel for Ecmascript {
    fn begin_input(&mut self) {
        self.guard.begin_input();
        let (value, revision) = {
            let platform = self.platform.borrow();
            if platform.revision == self.platform_shown {
                return;
            }
            (platform.value.clone(), platform.revision)
        };
        // If this fails (no memory left), the next evaluation fails by the same limit.
        let _ = self.prelude::<_, ()>("platform", |ctx| Ok(vec![convert::to_js(ctx, &value)?]));
        self.platform_shown = revision;
    }

    fn bind_session(&mut self, session_id: &str, name: &str) -> Result<(), EvalError> {
        let start = self.start.clone();
        let texts = [session_id.to_owned(), name.to_owned(), format!("#_scxml_{session_id}")];
        self.prelude("session", |ctx| {
            let mut args = Vec::new();
            for text in &texts {
                args.push(convert::text_to_js(ctx, text)?);
            }
            args.push(convert::to_js(ctx, &start)?);
            Ok(args)
        })
    }

    fn bind_event(&mut self, event: &Event) -> Result<(), EvalError> {
        self.prelude("event", |ctx| Ok(vec![convert::event_to_js(ctx, event)?]))
    }

    fn set_active(&mut self, ids: Vec<String>) {
        let ids = Value::List(ids.into_iter().map(Value::Text).collect());
        let _ = self.prelude::<_, ()>("active", |ctx| Ok(vec![convert::to_js(ctx, &ids)?]));
    }

    fn declare(&mut self, id: &str) -> Result<(), EvalError> {
        self.check_name(id)?;
        self.prelude("declare", |ctx| Ok(vec![convert::text_to_js(ctx, id)?]))
    }

    fn evaluate(&mut self, expr: &Expr) -> Result<Value, EvalError> {
        let function = self.compiled(Form::Expression, &expr.text)?;
        self.guarded(|ctx| convert::from_js(ctx, call(function.restore(ctx)?, ())?))
    }

    fn condition(&mut self, expr: &Expr) -> Result<bool, EvalError> {
        let truth = self.call::<rquickjs::Coerced<bool>>(Form::Expression, expr)?;
        Ok(truth.0)
    }

    fn assign(&mut self, location: &Expr, expr: &Expr) -> Result<(), EvalError> {
        let value = self.compiled(Form::Expression, &expr.text)?;
        let assign = self.compiled(Form::Assignment, &location.text)?;
        self.guarded(|ctx| {
            let value: rquickjs::Value<'_> = call(value.restore(ctx)?, ())?;
            call(assign.restore(ctx)?, (value,))
        })
    }

    fn assign_value(&mut self, location: &Expr, value: &Value) -> Result<(), EvalError> {
        let assign = self.compiled(Form::Assignment, &location.text)?;
        self.guarded(|ctx| call(assign.restore(ctx)?, (convert::to_js(ctx, value)?,)))
    }

    fn execute(&mut self, script: &Expr) -> Result<(), EvalError> {
        fence(&script.text).map_err(EvalError::Execution)?;
        let text = script.text.to_string();
        // In the global scope: `var` and functions of a script belong to the session.
        self.guarded(|ctx| sloppy::<rquickjs::Value<'_>>(ctx, text).map(|_| ()))
    }

    fn literal(&mut self, text: &str) -> Value {
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(json) => convert::from_json(json),
            Err(_) => Value::Text(text.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }

    fn open_loop(&mut self, array: &Expr) -> Result<usize, EvalError> {
        let array = self.compiled(Form::Expression, &array.text)?;
        let rounds: f64 = self.prelude("openLoop", |ctx| Ok(vec![call(array.restore(ctx)?, ())?]))?;
        Ok(rounds as usize)
    }

    fn bind_item(&mut self, at: usize, item: &str, index: Option<&str>) -> Result<(), EvalError> {
        self.check_name(item)?;
        index.map_or(Ok(()), |index| self.check_name(index))?;
        self.prelude("bindItem", |ctx| {
            let at = rquickjs::Value::new_number(ctx.clone(), at as f64);
            let index = match index {
                Some(index) => convert::text_to_js(ctx, index)?,
                None => rquickjs::Value::new_undefined(ctx.clone()),
            };
            Ok(vec![at, convert::text_to_js(ctx, item)?, index])
        })
    }

    fn close_loop(&mut self) {
        let _ = self.prelude::<_, ()>("closeLoop", |_| Ok(Vec::new()));
    }

    fn snapshot(&mut self) -> Result<String, EvalError> {
        // Not an input of the document: work and time already used do not count.
        self.guard.begin_input();
        self.prelude("snapshot", |_| Ok(Vec::new()))
    }

    fn restore(&mut self, text: &str) -> Result<(), EvalError> {
        self.guard.begin_input();
        self.prelude("restore", |ctx| Ok(vec![convert::text_to_js(ctx, text)?]))
    }
}

// === impl Guard ===

impl Guard {
    fn begin_input(&mut self) {
        self.watch.rounds.set(0);
        self.input_ends = self.clock.now() + self.limits.time * TIMES_PER_INPUT;
    }

    fn begin(&self) {
        let Watch { rounds, rounds_max, deadline, cut } = &*self.watch;
        rounds_max.set(rounds.get().saturating_add(self.limits.evaluation).min(self.limits.input));
        deadline.set((self.clock.now() + self.limits.time).min(self.input_ends));
        cut.set(false);
    }

    fn explain(&self, error: &CaughtError<'_>) -> EvalError {
        if self.watch.cut.get() {
            return EvalError::Limit(LimitKind::ScriptTime);
        }
        let reason = match error {
            CaughtError::Error(rquickjs::Error::Allocation) => return EvalError::Limit(LimitKind::ScriptMemory),
            CaughtError::Error(error) => error.to_string(),
            CaughtError::Exception(exception) => exception.message().unwrap_or_default(),
            // Without memory the engine cannot even make an error object.
            CaughtError::Value(value) if value.is_null() => return EvalError::Limit(LimitKind::ScriptMemory),
            CaughtError::Value(value) => match value.as_string().and_then(|text| text.to_string().ok()) {
                Some(text) => text,
                None => "something was thrown that is no error".to_owned(),
            },
        };
        match reason.as_str() {
            "out of memory" => EvalError::Limit(LimitKind::ScriptMemory),
            "stack overflow" | "Maximum call stack size exceeded" => EvalError::Limit(LimitKind::ScriptStack),
            _ => EvalError::Execution(reason),
        }
    }
}

impl Form {
    fn source(self, text: &str) -> String {
        // The line breaks end a comment at the end of the text.
        match self {
            Self::Expression => format!("(function(){{return (\n{text}\n);}})"),
            Self::Assignment => format!("(function(__value){{'use strict';\n{text}\n= __value;}})"),
            Self::Name => format!("(function(){{var {text};}})"),
        }
    }
}

fn call<'js, T: FromJs<'js>>(function: Function<'js>, args: impl IntoArgs<'js>) -> rquickjs::Result<T> {
    function.call(args)
}

/// Refuses BigInt literals (`10n`): multiplying two long ones takes a tenth of a second without a limit check. Checks
/// words alone, so a string that contains such a word is refused too.
fn fence(text: &str) -> Result<(), String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let of_any_length = |word: &&str| {
        let digits = word.strip_suffix('n').unwrap_or_default();
        digits.starts_with(|c: char| c.is_ascii_digit())
            && digits.chars().all(|c| c.is_ascii_hexdigit() || "xob_XOB".contains(c))
    };
    match text.split(|c| !is_word(c)).find(of_any_length) {
        Some(word) => Err(format!("{word}: whole numbers of any length are not supported")),
        None => Ok(()),
    }
}

/// Evaluates in the global scope and in sloppy mode.
fn sloppy<'js, T: FromJs<'js>>(ctx: &Ctx<'js>, source: String) -> rquickjs::Result<T> {
    let mut options = rquickjs::context::EvalOptions::default();
    options.strict = false;
    ctx.eval_with_options(source, options)
}

fn fenced(limits: ScriptLimits, clock: Arc<dyn Clock>) -> Result<(Context, Guard), EvalError> {
    let no_memory = |_| EvalError::Limit(LimitKind::ScriptMemory);
    let runtime = Runtime::new().map_err(no_memory)?;
    runtime.set_memory_limit(limits.memory_bytes);
    runtime.set_max_stack_size(limits.stack_bytes);
    let watch = Rc::new(Watch {
        rounds: Cell::new(0),
        rounds_max: Cell::new(limits.input),
        deadline: Cell::new(Timestamp::MAX),
        cut: Cell::new(false),
    });
    let input_ends = clock.now() + limits.time * TIMES_PER_INPUT;
    let guard = Guard { clock: Arc::clone(&clock), limits, watch: Rc::clone(&watch), input_ends };
    runtime.set_interrupt_handler(Some(Box::new(move || {
        watch.rounds.set(watch.rounds.get().saturating_add(1));
        let cut = watch.rounds.get() > watch.rounds_max.get() || clock.now() > watch.deadline.get();
        watch.cut.set(watch.cut.get() | cut);
        cut
    })));
    let context = Context::custom::<Language>(&runtime).map_err(no_memory)?;
    Ok((context, guard))
}

/// Checks the scripts of documents when they are loaded. It runs no part of a document, whatever brackets its text
/// closes and opens: nothing could stop a script at load time.
pub struct SyntaxChecker {
    context: Context,
    guard: Guard,
    /// Faults appended to each piece to keep it from running, with the engine's error text: if the engine reports
    /// that error, the piece has no other fault. There are two, since a piece may have one of them itself.
    ends: Vec<(&'static str, String)>,
}

/// The faults appended to a piece.
const ENDS: [&str; 2] = ["\n;let __end, __end;", "\n;break __end;"];

impl SyntaxChecker {
    /// A checker with the same limits as a session.
    ///
    /// # Errors
    /// As [`Ecmascript::new`].
    pub fn new(limits: ScriptLimits, clock: Arc<dyn Clock>) -> Result<Self, EvalError> {
        let (context, guard) = fenced(limits, clock)?;
        let mut checker = Self { context, guard, ends: Vec::new() };
        checker.ends = ENDS.into_iter().map(|end| (end, checker.fault(end.to_owned()))).collect();
        Ok(checker)
    }

    /// Checks whether a piece of a document compiles.
    ///
    /// # Errors
    /// The engine's error text.
    pub fn check(&mut self, syntax: Syntax, text: &str) -> Result<(), String> {
        fence(text)?;
        let source = match syntax {
            Syntax::Expression => Form::Expression.source(text),
            Syntax::Location => Form::Assignment.source(text),
            Syntax::Script => format!("(function(){{\n{text}\n}})"),
        };
        let ends = self.ends.clone();
        for (end, expected) in ends {
            let fault = self.fault(format!("{source}{end}"));
            if fault != expected {
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The engine's error text for a source that cannot be compiled.
    fn fault(&mut self, source: String) -> String {
        self.guard.begin_input();
        self.guard.begin();
        let guard = &self.guard;
        self.context.with(|ctx| match sloppy::<rquickjs::Value<'_>>(&ctx, source).catch(&ctx) {
            Ok(_) => "it is no piece by itself".to_owned(),
            Err(error) => guard.explain(&error).to_string(),
        })
    }
}

const PRELUDE: &str = include_str!("ecmascript/prelude.js");
