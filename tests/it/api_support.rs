//! A fake service behind the API that a test fills, and the API served on a socket in a temporary folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gsm_modem::dialogue::Direction;
use smsotpd::api::client::{Call, Client, Reply};
use smsotpd::api::{Access, Answer, Limits, Listener, Service, serve_within};
use smsotpd::clock::{Now, Timestamp};
use smsotpd::gateway::{
    Caller, CheckRequest, CheckView, Control, Event, EventKind, EventPage, Gap, GatewayError, HostView,
    InboxFilter, InboxView, IssueRequest, KeyView, LimitsRequest, LimitsView, MessageFilter, MessageView,
    ModemState, ModemView, OptOutView, OtherModem, Page, QueueView, Recorded, SendRequest, StatusView,
    TrailView, UssdAnswer, VerificationFilter, VerificationView, WindowView,
};
use smsotpd::id::{Ids, InboxId, MessageId, VerificationId};
use smsotpd::inbox::Tag;
use smsotpd::otp::VerificationStatus;
use smsotpd::outbox::{Encoding, MessageStatus};
use smsotpd::phone::PhoneNumber;
use smsotpd::secret::Secret;
use smsotpd::trail::{self, Audit, Hash};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;

use crate::api_shown::{host, key, modem};

pub(crate) const CODE: &str = "482916";
pub(crate) const NUMBER: &str = "+41791234567";

/// The content of the fake service.
pub(crate) struct Fake {
    pub(crate) state: Mutex<State>,
    live: broadcast::Sender<Event>,
    newest: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) verifications: BTreeMap<VerificationId, VerificationView>,
    pub(crate) messages: BTreeMap<MessageId, MessageView>,
    pub(crate) events: Vec<trail::Event>,
    pub(crate) audits: Vec<(Option<String>, Audit)>,
    /// What a look at the trail finds.
    pub(crate) fault: Option<String>,
    pub(crate) anchors: Vec<Option<(u64, Hash)>>,
    /// How many of the first events are no longer remembered.
    pub(crate) forgotten: u64,
    pub(crate) callers: Vec<Caller>,
    pub(crate) issued: Vec<IssueRequest>,
    pub(crate) judged: Vec<LimitsRequest>,
    pub(crate) sent: Vec<SendRequest>,
    pub(crate) filters: Vec<MessageFilter>,
    pub(crate) verification_filters: Vec<VerificationFilter>,
    pub(crate) controls: Vec<(String, Control)>,
    pub(crate) inbox: BTreeMap<InboxId, InboxView>,
    pub(crate) inbox_filters: Vec<InboxFilter>,
    pub(crate) opt_outs: BTreeMap<PhoneNumber, OptOutView>,
    /// The next use case returns this error instead.
    pub(crate) refuse: Option<GatewayError>,
    pub(crate) not_ready: bool,
    pub(crate) disk_full: bool,
    /// How often the key was replaced.
    pub(crate) rotations: u32,
    pub(crate) log: String,
    /// New messages have this status at once.
    pub(crate) born: Option<MessageStatus>,
}

impl Fake {
    pub(crate) fn new(memory: usize) -> Arc<Self> {
        let (live, newest) = (broadcast::channel(memory).0, watch::Sender::new(0));
        Arc::new(Self { state: Mutex::default(), live, newest })
    }

    pub(crate) fn refuse(&self, error: GatewayError) {
        self.state.lock().unwrap().refuse = Some(error);
    }

    /// How many followers the events have.
    pub(crate) fn followers(&self) -> usize {
        self.live.receiver_count() + self.newest.receiver_count()
    }

    pub(crate) fn happen(&self, kind: EventKind) {
        self.happen_to(None, kind);
    }

    pub(crate) fn happen_to(&self, by: Option<&str>, kind: EventKind) {
        let mut state = self.state.lock().unwrap();
        let (at, by, about) = (now(), by.map(str::to_owned), kind.about());
        state.events.push(trail::Event { at, since: Now::agreed(at).steady(), by, about });
        let id = state.events.len() as u64;
        self.newest.send_replace(id);
        let _ = self.live.send(Event { id, at, kind });
    }

    /// Changes the status of a message, and of its verification's view.
    pub(crate) fn move_message(&self, id: MessageId, status: MessageStatus) {
        let view = {
            let mut state = self.state.lock().unwrap();
            for v in state.verifications.values_mut().filter(|v| v.message.0 == id) {
                v.message.1 = status;
            }
            let message = state.messages.get_mut(&id).unwrap();
            message.status = status;
            message.clone()
        };
        self.happen(EventKind::Message(view));
    }

    fn enter<T>(
        &self,
        caller: Caller,
        then: impl FnOnce(&mut State) -> Result<T, GatewayError>,
    ) -> Result<T, GatewayError> {
        let mut state = self.state.lock().unwrap();
        state.callers.push(caller);
        match state.refuse.take() {
            Some(error) => Err(error),
            None => then(&mut state),
        }
    }
}

/// Ids sort in the order in which they were made, also within one millisecond.
pub(crate) static IDS: std::sync::LazyLock<Ids> =
    std::sync::LazyLock::new(|| Ids::new(smsotpd::random::Random::system()));

fn now() -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000)
}

fn answer<'a, T: Send + 'a>(result: Result<T, GatewayError>) -> Answer<'a, T> {
    Box::pin(std::future::ready(result))
}

fn message(state: &mut State, to: PhoneNumber, otp: bool) -> MessageView {
    let view = MessageView {
        id: IDS.next(Now::agreed(now()).steady()),
        client: None,
        to,
        otp,
        service: otp.then(|| "default".to_owned()),
        status: state.born.unwrap_or(MessageStatus::Queued),
        parts: 1,
        encoding: Encoding::Gsm7,
        modem: None,
        attempts: 0,
        created_at: now(),
        sent_at: None,
        delivered_at: None,
        error: None,
    };
    state.messages.insert(view.id, view.clone());
    view
}

fn number(text: &str) -> Result<PhoneNumber, GatewayError> {
    text.parse().map_err(|e| GatewayError::InvalidNumber(format!("{e}")))
}

fn compare(view: &mut VerificationView, code: &Secret<String>) -> CheckView {
    let approved = view.status == VerificationStatus::Pending && code.expose() == CODE;
    if view.status == VerificationStatus::Pending {
        view.attempts_left = view.attempts_left.saturating_sub(1);
        if approved {
            view.status = VerificationStatus::Approved;
        }
    }
    CheckView { approved, verification: view.clone() }
}

const NO_VERIFICATION: GatewayError = GatewayError::NotFound("such verification");
const NO_MESSAGE: GatewayError = GatewayError::NotFound("such message");

impl Service for Fake {
    fn issue(&self, caller: Caller, request: IssueRequest) -> Answer<'_, (VerificationView, bool)> {
        answer(self.enter(caller, |state| {
            let replayed = request.idempotency_key.is_some()
                && state.issued.iter().any(|i| i.idempotency_key == request.idempotency_key);
            if replayed {
                let view = state.verifications.values().next().unwrap().clone();
                return Ok((view, replayed));
            }
            let to = number(&request.to)?;
            if request.locale.as_ref().is_some_and(|locale| locale.len() > 35) {
                return Err(GatewayError::InvalidRequest("locale is no language tag".to_owned()));
            }
            let message = message(state, to.clone(), true);
            let view = VerificationView {
                id: IDS.next(Now::agreed(now()).steady()),
                client: None,
                service: request.service.clone().unwrap_or_else(|| "default".to_owned()),
                to,
                status: VerificationStatus::Pending,
                attempts_left: 5,
                created_at: now(),
                expires_at: now().plus(Duration::from_secs(300)),
                resend_at: now().plus(Duration::from_secs(30)),
                message: (message.id, message.status),
                metadata: request.metadata.clone(),
                inbound: false,
                invitation: None,
            };
            state.verifications.insert(view.id, view.clone());
            state.issued.push(request);
            Ok((view, replayed))
        }))
    }

    fn limits(&self, caller: Caller, request: LimitsRequest) -> Answer<'_, LimitsView> {
        let mut state = self.state.lock().unwrap();
        state.callers.push(caller);
        state.judged.push(request.clone());
        if let Err(e) = number(&request.to) {
            return answer(Ok(LimitsView { refused: Some(e), windows: Vec::new() }));
        }
        let window = |name: &str, used, limit| WindowView {
            name: name.to_owned(),
            used,
            limit,
            resets_at: now().plus(Duration::from_secs(60)),
        };
        let windows = vec![window("per_number 3/10m", 3, 3), window("total 5000/1h", 7, 5000)];
        answer(Ok(LimitsView { refused: state.refuse.take(), windows }))
    }

    fn check(&self, caller: Caller, id: VerificationId, request: CheckRequest) -> Answer<'_, CheckView> {
        answer(self.enter(caller, |state| {
            Ok(compare(state.verifications.get_mut(&id).ok_or(NO_VERIFICATION)?, &request.code))
        }))
    }

    fn check_newest(
        &self,
        caller: Caller,
        to: String,
        service: Option<String>,
        request: CheckRequest,
    ) -> Answer<'_, CheckView> {
        answer(self.enter(caller, |state| {
            let (to, service) = (number(&to)?, service.unwrap_or_else(|| "default".to_owned()));
            let newest = state.verifications.values_mut().rev().find(|v| v.to == to && v.service == service);
            Ok(compare(newest.ok_or(NO_VERIFICATION)?, &request.code))
        }))
    }

    fn verification(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView> {
        answer(self.enter(caller, |state| state.verifications.get(&id).cloned().ok_or(NO_VERIFICATION)))
    }

    fn verifications(
        &self,
        caller: Caller,
        filter: VerificationFilter,
    ) -> Answer<'_, Page<VerificationView>> {
        answer(self.enter(caller, |state| {
            filter.to.as_deref().map(number).transpose()?;
            let items: Vec<_> = state.verifications.values().rev().take(filter.limit).cloned().collect();
            let next =
                (items.len() < state.verifications.len()).then(|| items.last().unwrap().id.to_string());
            state.verification_filters.push(filter);
            Ok(Page { items, next })
        }))
    }

    fn resend(&self, caller: Caller, id: VerificationId, _: Option<String>) -> Answer<'_, VerificationView> {
        self.verification(caller, id)
    }

    fn cancel(&self, caller: Caller, id: VerificationId) -> Answer<'_, VerificationView> {
        answer(self.enter(caller, |state| {
            let view = state.verifications.get_mut(&id).ok_or(NO_VERIFICATION)?;
            view.status = VerificationStatus::Cancelled;
            Ok(view.clone())
        }))
    }

    fn send(&self, caller: Caller, request: SendRequest) -> Answer<'_, (MessageView, bool)> {
        answer(self.enter(caller, |state| {
            if request.text.expose().is_empty() {
                return Err(GatewayError::InvalidRequest("text is empty".to_owned()));
            }
            let view = message(state, number(&request.to)?, false);
            state.sent.push(request);
            Ok((view, false))
        }))
    }

    fn message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView> {
        answer(self.enter(caller, |state| state.messages.get(&id).cloned().ok_or(NO_MESSAGE)))
    }

    fn messages(&self, caller: Caller, filter: MessageFilter) -> Answer<'_, Page<MessageView>> {
        answer(self.enter(caller, |state| {
            filter.to.as_deref().map(number).transpose()?;
            let items: Vec<_> = state.messages.values().rev().take(filter.limit).cloned().collect();
            let next = (items.len() < state.messages.len()).then(|| items.last().unwrap().id.to_string());
            state.filters.push(filter);
            Ok(Page { items, next })
        }))
    }

    fn cancel_message(&self, caller: Caller, id: MessageId) -> Answer<'_, MessageView> {
        answer(self.enter(caller, |state| {
            let view = state.messages.get_mut(&id).ok_or(NO_MESSAGE)?;
            if view.status != MessageStatus::Queued {
                return Err(GatewayError::Conflict("it is not queued any more".to_owned()));
            }
            view.status = MessageStatus::Cancelled;
            Ok(view.clone())
        }))
    }

    fn inbox(&self, filter: InboxFilter) -> Answer<'_, Page<InboxView>> {
        answer(self.enter(Caller::default(), |state| {
            let older = |id: &InboxId| filter.before.is_none_or(|before| *id < before);
            let mut items: Vec<_> =
                state.inbox.iter().rev().filter(|(id, _)| older(id)).map(|(_, v)| v.clone()).collect();
            let more = items.len() > filter.limit;
            items.truncate(filter.limit);
            let next = more.then(|| items.last().unwrap().id.to_string());
            state.inbox_filters.push(filter);
            Ok(Page { items, next })
        }))
    }

    fn delete_inbox(&self, id: InboxId) -> Answer<'_, InboxView> {
        let gone = GatewayError::NotFound("such message");
        answer(self.enter(Caller::default(), |state| state.inbox.remove(&id).ok_or(gone)))
    }

    fn opt_outs(&self, limit: usize, _after: Option<Tag>) -> Answer<'_, Page<OptOutView>> {
        answer(self.enter(Caller::default(), |state| {
            Ok(Page { items: state.opt_outs.values().take(limit).cloned().collect(), next: None })
        }))
    }

    fn add_opt_out(&self, caller: Caller, phone: String) -> Answer<'_, OptOutView> {
        answer(self.enter(caller, |state| {
            let view = OptOutView { phone: number(&phone)?, since: now(), message: None };
            state.opt_outs.insert(view.phone.clone(), view.clone());
            Ok(view)
        }))
    }

    fn remove_opt_out(&self, caller: Caller, phone: String) -> Answer<'_, OptOutView> {
        answer(self.enter(caller, |state| {
            state.opt_outs.remove(&number(&phone)?).ok_or(GatewayError::NotFound("such opt-out"))
        }))
    }

    fn hosts(&self) -> Vec<HostView> {
        host("attic", false).into_iter().collect()
    }

    fn host(&self) -> Option<String> {
        None
    }

    fn other_modems(&self) -> Vec<OtherModem> {
        vec![]
    }

    fn modems(&self) -> Vec<ModemView> {
        vec![modem(ModemState::Ready)]
    }

    fn modem(&self, name: &str) -> Result<ModemView, GatewayError> {
        let paused = self.state.lock().unwrap().controls.iter().any(|(_, c)| *c == Control::Pause);
        let mut modem = modem(if paused { ModemState::Paused } else { ModemState::Ready });
        modem.facts.paused = paused;
        (name == modem.name).then_some(modem).ok_or(GatewayError::NotFound("such modem"))
    }

    fn trace(&self, name: String) -> Answer<'_, Vec<Recorded>> {
        answer(self.enter(Caller::default(), |_| {
            if name != "stick1" {
                return Err(GatewayError::NotFound("such modem"));
            }
            let line = |ms, direction, text: &str| Recorded {
                ago: Duration::from_millis(ms),
                direction,
                text: text.to_owned(),
            };
            Ok(vec![
                line(1500, Direction::Out, "AT+CMGS=23"),
                line(1200, Direction::In, ">"),
                line(900, Direction::Note, "recovering"),
            ])
        }))
    }

    fn drain_host(&self, _: Caller, name: String, draining: bool) -> Answer<'_, HostView> {
        answer(host(&name, draining))
    }

    fn forget_host(&self, _: Caller, name: String) -> Answer<'_, HostView> {
        answer(host(&name, false))
    }

    fn control(&self, name: String, control: Control) -> Answer<'_, Option<UssdAnswer>> {
        answer(self.enter(Caller::default(), |state| {
            if name != "stick1" {
                return Err(GatewayError::NotFound("such modem"));
            }
            let text = matches!(control, Control::Ussd { .. })
                .then(|| UssdAnswer { text: "Balance: 5.00".to_owned(), open: false });
            state.controls.push((name, control));
            Ok(text)
        }))
    }

    fn status(&self) -> StatusView {
        StatusView {
            uptime: Duration::from_secs(61),
            queue: QueueView { otp: 1, text: 2, delayed: 1, ..QueueView::default() },
            modems: vec![(ModemState::Ready, 1), (ModemState::Blocked, 1)],
            disk_full: self.state.lock().unwrap().disk_full,
            clock: None,
            test_numbers: vec![],
        }
    }

    fn ready(&self) -> bool {
        !self.state.lock().unwrap().not_ready
    }

    fn events(&self, after: u64, limit: usize) -> Answer<'_, EventPage> {
        let state = self.state.lock().unwrap();
        let newest = state.events.len() as u64;
        let known = after <= newest;
        let begin = if known { after.max(state.forgotten) } else { state.forgotten };
        let behind = (1..).zip(&state.events).filter(|(id, _)| *id > begin).take(limit);
        let events: Vec<_> = behind.map(|(id, event)| (id, Arc::new(event.clone()))).collect();
        let gap = match begin.saturating_sub(after) {
            _ if !known => Some(Gap { missed: None }),
            0 => None,
            missed => Some(Gap { missed: Some(missed) }),
        };
        let upto = events.last().map_or(newest, |(id, _)| *id);
        answer(Ok(EventPage { gap, events, upto }))
    }

    fn verify_events(&self, anchor: Option<(u64, Hash)>) -> Answer<'_, TrailView> {
        answer(self.enter(Caller::default(), |state| {
            state.anchors.push(anchor);
            let (first, last) = (state.forgotten + 1, state.events.len() as u64);
            Ok(TrailView { first, last, hash: "00".repeat(16), fault: state.fault.clone() })
        }))
    }

    fn rotate_key(&self, caller: Caller) -> Answer<'_, KeyView> {
        answer(self.enter(caller, |state| {
            state.rotations += 1;
            Ok(key(state.rotations))
        }))
    }

    fn key(&self) -> KeyView {
        key(self.state.lock().unwrap().rotations)
    }

    fn log_filter(&self) -> Result<String, GatewayError> {
        Ok(self.state.lock().unwrap().log.clone())
    }

    fn set_log_filter(&self, _: &Caller, filter: &str) -> Result<String, GatewayError> {
        filter.clone_into(&mut self.state.lock().unwrap().log);
        Ok(filter.to_owned())
    }

    fn newest_event(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    fn live(&self) -> broadcast::Receiver<Event> {
        self.live.subscribe()
    }

    fn audit_refusal(&self, by: Option<&str>, audit: Audit) {
        self.state.lock().unwrap().audits.push((by.map(str::to_owned), audit));
    }

    fn back_up(&self) -> tokio::sync::mpsc::Receiver<Result<Vec<u8>, GatewayError>> {
        let (sink, pieces) = tokio::sync::mpsc::channel(2);
        sink.try_send(Ok(b"half a backup".to_vec())).unwrap();
        sink.try_send(Err(GatewayError::Storage("the disk".to_owned()))).unwrap();
        pieces
    }

    fn metrics(&self) -> String {
        "# TYPE smsotp_up gauge\nsmsotp_up 1\n".to_owned()
    }
}

/// The API, served until this value is dropped or stopped.
pub(crate) struct Served {
    pub(crate) fake: Arc<Fake>,
    pub(crate) client: Client,
    pub(crate) socket: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
    _folder: tempfile::TempDir,
}

/// Serves a new fake service to every peer.
pub(crate) fn served() -> Served {
    served_within(Limits::default(), Access::default())
}

pub(crate) fn served_within(limits: Limits, access: Access) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s.sock");
    let listener = Listener::bind(&socket, 0o600, None).unwrap();
    let fake = Fake::new(64);
    let (stop, stopped) = oneshot::channel::<()>();
    let service = Arc::clone(&fake);
    let server = tokio::spawn(async move {
        let shutdown = async {
            let _ = stopped.await;
        };
        serve_within(limits, listener, service, access, shutdown).await
    });
    let client = Client::new(socket.clone()).with_timeout(Duration::from_secs(20));
    Served { fake, client, socket, stop: Some(stop), server, _folder: folder }
}

impl Served {
    pub(crate) async fn call(&self, call: Call) -> Reply {
        self.client.call(call).await.unwrap()
    }

    pub(crate) fn begin_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// A verification that was just issued.
    pub(crate) async fn issue(&self) -> serde_json::Value {
        let reply = self.call(Call::post("/v1/verifications").json(serde_json::json!({"to": NUMBER}))).await;
        assert_eq!(reply.status, 201);
        reply.parse().unwrap()
    }
}

/// Writes octets and reads until the other end closes.
pub(crate) async fn raw(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(request).await.unwrap();
    read_to_end(&mut stream).await
}

pub(crate) async fn read_to_end(stream: &mut UnixStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server closes in time");
    String::from_utf8(answer).unwrap()
}

/// Completes when `condition` holds.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let held = tokio::time::timeout(Duration::from_secs(20), async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    held.await.expect(what);
}
