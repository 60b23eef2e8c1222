//! Everything that the real daemon may be made to say, at its most talkative: what it must never say is not in it. A whole
//! life is driven: a PIN, codes, wrong and right ones, texts in and out, a token, USSD, denials, failures, restarts.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use gsm_sim::Script;
use rustix::process::Signal;
use serde_json::{Value, json};
use smsotpd::api::client::Call;

use crate::attack_wire::{become_nobody, open_to_all};
use crate::daemon_support::{NO_LIMITS, PATIENCE, Rig, call, files, post};

/// Not the number of the examples, which sentences have in them.
const PHONE: &str = "+41791239876";
const REFUSED: &str = "+41791234599";
const DENIED: &str = "+41697654321";
const PIN: &str = "83615274";
const SENT: &str = "the cormorant dives at noon";
const HEARD: &str = "a pelican heard it";
const BINDING: &str = "payment to flamingo";
const USSD: &str = "*138*53279164#";
/// Words in which no number of the log can be mistaken for a code.
const CONFIG: &str = "number = \"+41791112233\"\npin_file = \"PIN\"\n[log]\nlevel = \"trace\"\n[service.default]\ninbound = true\n\
                      alphabet = \"letters\"\ndigits = 10\ntemplate = \"Code {code}\"\ncooldown = \"1ms\"\non_reissue = \"new\"\n";

/// What was said, by where.
#[derive(Default)]
struct Said(BTreeMap<&'static str, String>);

impl Said {
    fn note(&mut self, place: &'static str, words: &str) {
        let all = self.0.entry(place).or_default();
        all.push_str(words);
        all.push('\n');
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |hex, b| hex + &format!("{b:02X}"))
}

/// A number as the address fields of a PDU have it (3GPP TS 23.040 section 9.1.2.5).
fn swapped(number: &str) -> String {
    let mut digits: Vec<char> = number.trim_start_matches('+').chars().collect();
    if digits.len() % 2 == 1 {
        digits.push('F');
    }
    digits.chunks(2).flat_map(|pair| [pair[1], pair[0]]).collect()
}

/// A client that may do nothing asks for what it may not, with a code in it.
fn denied(rig: &Rig, code: &str) -> Option<String> {
    if !open_to_all(rig) {
        return None;
    }
    let (socket, body) = (rig.socket(), json!({"to": PHONE, "code": code}).to_string());
    let asked = std::thread::spawn(move || {
        become_nobody();
        let mut stream = UnixStream::connect(socket).unwrap();
        let head =
            "POST /v1/check HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n";
        let length = body.len();
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    Some(asked.join().unwrap())
}

/// What shows a number to whoever has the files and no key: as text, or packed, from either end, as in a PDU and as a number.
fn forms(number: &str) -> Vec<Vec<u8>> {
    let digits = number.trim_start_matches('+');
    let (packed, number): (Vec<u8>, u64) =
        (digits.bytes().map(|digit| digit - b'0').collect(), digits.parse().unwrap());
    let mut varint = Vec::new();
    let mut rest = number;
    while rest >= 0x80 {
        varint.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
        rest >>= 7;
    }
    varint.push(u8::try_from(rest).unwrap());
    let mut forms = vec![
        digits.as_bytes().to_vec(),
        digits.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        number.to_be_bytes()[3..].to_vec(),
        number.to_le_bytes()[..5].to_vec(),
        varint,
        format!("0{}", &digits[2..]).into_bytes(),
    ];
    for some in [&packed[..10], &packed[1..]] {
        forms.push(some.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
        forms.push(some.chunks(2).map(|pair| pair[1] << 4 | pair[0]).collect());
    }
    forms
}

/// Who has the disk and no key reads no number on it.
fn search(state: &Path) {
    let files = files(state);
    let holds = |form: &[u8]| {
        let found = files.iter().find(|(_, octets)| octets.windows(form.len()).any(|some| some == form));
        found.map(|(path, _)| path.display().to_string())
    };
    // The trail has it masked: what is looked for would be found.
    assert!(holds(b"+4179*****76").is_some());
    for number in [PHONE, REFUSED, DENIED, "+41791119999", "+41791118888"] {
        for form in forms(number) {
            assert_eq!(holds(&form), None, "the number {number} as {form:02x?}");
        }
    }
}

struct Life {
    rig: Rig,
    said: Said,
    secrets: Vec<(&'static str, String)>,
}

impl Life {
    async fn begun(script: &str) -> Self {
        let script =
            Script::parse("life", &format!("[card]\nstate = \"pin\"\npin = \"{PIN}\"\n{script}")).unwrap();
        let mut rig = Rig::prepare(1, script, "");
        let pin = rig.dir.path().join("pin");
        std::fs::write(&pin, format!("{PIN}\n")).unwrap();
        let stranger = format!("[[client]]\nname = \"monitor\"\nuid = {}\nmay = [\"read\"]\n", u32::MAX - 1);
        let config = CONFIG.replace("PIN", pin.to_str().unwrap());
        rig.rewrite(&format!("{config}{NO_LIMITS}deny_prefixes = [\"+4169\"]\n{stranger}"));
        rig.launch();
        rig.modems_are("ready").await;
        let secrets = vec![
            ("PIN", PIN.to_owned()),
            ("text", "cormorant".to_owned()),
            ("received text", "pelican".to_owned()),
            ("binding", "flamingo".to_owned()),
            ("USSD", "53279164".to_owned()),
        ];
        Self { rig, said: Said::default(), secrets }
    }

    /// An answer that is noted as what it is.
    async fn ask(&mut self, call_: Call, status: u16) -> Value {
        let reply = call(&self.rig.client(), call_).await;
        let body = String::from_utf8(reply.body.to_vec()).unwrap();
        assert_eq!(reply.status.as_u16(), status, "{body}");
        self.said.note(if status >= 400 { "errors" } else { "answers" }, &body);
        serde_json::from_str(&body).unwrap_or_default()
    }

    async fn issue(&mut self) -> (String, String) {
        let mut phone = self.rig.sim.listen();
        let asked = json!({"to": PHONE, "binding": BINDING});
        let made = self.ask(Call::post("/v1/verifications").json(asked), 201).await;
        let sms = tokio::time::timeout(PATIENCE, phone.recv()).await.unwrap().unwrap();
        let code = sms.text.strip_prefix("Code ").unwrap().to_owned();
        assert_eq!(code.len(), 10);
        self.secrets.push(("code", code.clone()));
        (made["id"].as_str().unwrap().to_owned(), code)
    }

    async fn codes(&mut self) {
        let check = |id: &str, code: &str| {
            Call::post(format!("/v1/verifications/{id}/check"))
                .json(json!({"code": code, "binding": BINDING}))
        };
        let (id, code) = self.issue().await;
        self.ask(check(&id, "CDFGHJKMNP"), 200).await;
        assert_eq!(self.ask(check(&id, &code), 200).await["approved"], true);
        assert_eq!(self.ask(check(&id, &code), 200).await["approved"], false);
        let (id, code) = self.issue().await;
        let (second, other) = self.issue().await;
        self.ask(check(&id, &code), 200).await;
        self.ask(Call::delete(format!("/v1/verifications/{second}")), 200).await;
        for bad in [
            json!({"to": PHONE, "code": code, "stranger": other}),
            json!({"to": code, "code": PHONE}),
            json!({"to": PHONE, "code": {"code": code}}),
            json!({code.clone(): other}),
            json!([code, other]),
        ] {
            let reply = call(&self.rig.client(), Call::post("/v1/check").json(bad)).await;
            assert!(reply.status.is_client_error());
            self.said.note("errors", &String::from_utf8_lossy(&reply.body));
        }
        self.ask(Call::get(format!("/v1/verifications/{code}")), 404).await;
        self.ask(Call::get(format!("/v1/{code}")), 404).await;
        self.ask(Call::get(format!("/v1/verifications?to={code}")), 422).await;
        let inbound = json!({"to": PHONE, "mode": "inbound"});
        let reverse = post(&self.rig.client(), "/v1/verifications", inbound, 201).await;
        let token = reverse["inbound"]["token"].as_str().unwrap().to_owned();
        self.rig.sim.deliver(0, PHONE, &format!("Here: {}", token.to_lowercase()));
        let path = format!("/v1/verifications/{}", reverse["id"].as_str().unwrap());
        let over = Call::get(path).wait(PATIENCE);
        assert_eq!(self.ask(over, 200).await["status"], "approved");
        self.secrets.push(("token", token));
        if let Some(answer) = denied(&self.rig, &other) {
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            self.said.note("errors", &answer);
        }
    }

    async fn texts(&mut self) {
        for (to, fails) in [(PHONE, false), (REFUSED, true)] {
            self.rig.sim.refuse(0, REFUSED, 1);
            let made = self.ask(Call::post("/v1/messages").json(json!({"to": to, "text": SENT})), 202).await;
            let over = self.rig.over(made["id"].as_str().unwrap()).await;
            assert_eq!(over["status"] == "failed", fails, "{over}");
            self.said.note("answers", &over.to_string());
        }
        self.ask(Call::post("/v1/messages").json(json!({"to": DENIED, "text": SENT})), 422).await;
        self.ask(Call::post("/v1/verifications").json(json!({"to": DENIED})), 422).await;
        self.ask(Call::post("/v1/messages").json(json!({"to": "+4199", "text": SENT})), 422).await;
        self.ask(Call::post("/v1/messages").json(json!({"to": PHONE, "text": SENT.repeat(1000)})), 422).await;
        let ussd = Call::post("/v1/modems/m0/ussd").json(json!({"code": USSD})).wait(PATIENCE);
        let _ = call(&self.rig.client(), ussd).await;
        self.hear(HEARD).await;
        self.hear("STOP").await;
        self.ask(Call::post("/v1/messages").json(json!({"to": PHONE, "text": SENT})), 422).await;
        self.hear("START").await;
    }

    async fn hear(&self, text: &str) {
        let mut events = self.rig.client().events(None).await.unwrap().expect("a stream");
        self.rig.sim.deliver(0, PHONE, text);
        let heard = async {
            while events.next().await.unwrap().expect("the stream goes on").name != "inbox.received" {}
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("it is received");
    }

    /// Everything that is told of what was done.
    async fn listen(&mut self) {
        for path in [
            "/v1/verifications",
            "/v1/messages",
            "/v1/modems",
            "/v1/status",
            "/readyz",
            "/v1/modems/m0/trace",
        ] {
            let body = call(&self.rig.client(), Call::get(path)).await.body;
            let place = if path.ends_with("trace") { "trace" } else { "answers" };
            self.said.note(place, &String::from_utf8_lossy(&body));
        }
        let metrics = call(&self.rig.client(), Call::get("/metrics")).await.body;
        self.said.note("metrics", &String::from_utf8_lossy(&metrics));
        // The last event of all is one that is made for this.
        let mut events = self.rig.client().events(Some(0)).await.unwrap().expect("a stream");
        let last = self.ask(Call::put("/v1/opt-outs/%2B41791119999"), 200).await;
        assert_eq!(last["phone"], "+41791119999");
        let made = self.ask(Call::post("/v1/verifications").json(json!({"to": "+41791118888"})), 201).await;
        let created = async {
            loop {
                let event = events.next().await.unwrap().expect("the stream goes on");
                self.said.note("events", &format!("{} {}", event.name, event.data));
                if event.name == "verification.pending" && event.data.contains(made["id"].as_str().unwrap()) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, created).await.expect("the event of the last verification");
    }

    fn judge(mut self) {
        let key = std::fs::read(self.rig.dir.path().join("state/secret.key")).unwrap();
        assert!(key.len() >= 32, "{} octets", key.len());
        self.secrets.push(("key", hex(&key)));
        // Parts of the key as octets, as a `Debug` of them would show it.
        self.secrets.push(("key", format!("{:?}", &key[..8]).trim_matches(['[', ']']).to_owned()));
        self.secrets.push(("key", String::from_utf8_lossy(&key).into_owned()));
        for sms in self.rig.sim.inbox() {
            for part in &sms.parts {
                let pdu = hex(&part.pdu);
                // In text mode there is none.
                if let Some(end) = pdu.len().checked_sub(16) {
                    self.secrets.push(("PDU", pdu[end..].to_owned()));
                }
            }
        }
        for text in [SENT, HEARD] {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            self.secrets.push(("text in UCS-2", hex(&units)));
        }
        let numbers = [PHONE, REFUSED, DENIED].map(|n| ("number", n.trim_start_matches('+').to_owned()));
        let numbers = numbers.into_iter().chain([PHONE, REFUSED].map(|n| ("number", swapped(n))));
        self.said.note("log", &self.rig.logs());
        let masked: Vec<_> = numbers.collect();
        for (place, words) in &self.said.0 {
            let low = words.to_lowercase();
            // An answer has the number that it is about.
            let here = masked.iter().filter(|_| *place != "answers");
            for (what, secret) in self.secrets.iter().chain(here) {
                if let Some(at) = low.find(&secret.to_lowercase()) {
                    let start = low[..at].rfind('\n').map_or(0, |n| n + 1);
                    let end = low[at..].find('\n').map_or(low.len(), |n| at + n);
                    panic!("{place} has a {what}: {}", &low[start..end]);
                }
            }
        }
        // That all of it was there to be found.
        for place in ["log", "answers", "errors", "events", "metrics", "trace"] {
            assert!(self.said.0[place].len() > 200, "{place}");
        }
        let log = &self.said.0["log"];
        for level in ["TRACE", "DEBUG", "INFO", "WARN"] {
            assert!(log.contains(level), "nothing at {level}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_life_tells_no_secret() {
    for script in ["", "[sending]\npdu_mode = false\n"] {
        let mut life = Life::begun(script).await;
        life.codes().await;
        life.texts().await;
        life.rig.kill();
        life.rig.launch();
        life.rig.modems_are("ready").await;
        life.codes().await;
        life.listen().await;
        life.rig.signal(Signal::TERM);
        assert!(life.rig.ended().success());
        search(&life.rig.state());
        life.rig.launch();
        life.judge();
    }
}
