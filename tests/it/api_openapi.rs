//! `openapi.json` against the table of the routes, and against what the API accepts: each request body is
//! changed in many ways, and accepted exactly when the description says so.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use smsotpd::api::access::{Access, Client, Matcher, Right};
use smsotpd::api::client::{Call, escape};
use smsotpd::api::{Limits, ROUTES, Route, openapi};
use smsotpd::otp::VerificationStatus;
use smsotpd::otp::{Code, Unfit};
use smsotpd::outbox::MessageStatus;

use crate::api_support::{NUMBER, Served, served, served_within};

fn description() -> Value {
    serde_json::from_str(&openapi()).unwrap()
}

fn operation<'a>(description: &'a Value, route: &Route) -> &'a Value {
    &description["paths"][route.path][route.method.to_lowercase()]
}

/// The API, served to a client that may do everything.
fn served_whole() -> Served {
    let matcher = Matcher::Uid(rustix::process::geteuid().as_raw());
    let client = Client { name: "ops".to_owned(), matcher, may: Right::ALL.to_vec(), services: None };
    served_within(Limits::default(), Access::new(vec![client]))
}

fn resolved<'a>(description: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str();
    reference.map_or(schema, |to| description.pointer(&to[1..]).expect("it leads somewhere"))
}

/// Names in backticks.
fn ticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[tokio::test]
async fn the_description_and_the_table_name_the_same_routes() {
    let api = served();
    let reply = api.call(Call::get("/openapi.json")).await;
    assert_eq!(reply.body, openapi().as_bytes());
    let description = description();
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = description["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
            methods.map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let table: BTreeSet<_> = ROUTES.iter().map(|r| (r.method.to_owned(), r.path.to_owned())).collect();
    assert_eq!(described, table);
    // Every reference leads somewhere, and each operation has its own name.
    let text = openapi();
    for reference in text.split("\"$ref\": \"#").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]) {
        assert!(description.pointer(reference).is_some(), "{reference}");
    }
    let names: BTreeSet<_> =
        ROUTES.iter().map(|route| operation(&description, route)["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.len(), table.len());
}

#[test]
fn the_description_and_the_table_name_the_same_rights_and_parameters() {
    let description = description();
    for route in ROUTES {
        let operation = operation(&description, route);
        let said = operation["description"].as_str().unwrap_or_default();
        let rights = said.split_once('.').map_or("", |(first, _)| first);
        let needed: Vec<_> = route.any_of.iter().map(|right| right.as_str()).collect();
        assert_eq!(ticked(rights), needed, "{} {}", route.method, route.path);
        let lists = [&operation["parameters"], &description["paths"][route.path]["parameters"]];
        let parameters = lists.into_iter().filter_map(Value::as_array).flatten();
        let named = |place: &str| -> Vec<_> {
            let here = parameters.clone().map(|p| resolved(&description, p)).filter(|p| p["in"] == place);
            here.map(|p| p["name"].as_str().unwrap()).collect()
        };
        assert_eq!(named("query"), route.query, "{} {}", route.method, route.path);
        let braces = route.path.split(['{', '}']).skip(1).step_by(2);
        assert_eq!(named("path"), braces.collect::<Vec<_>>(), "{} {}", route.method, route.path);
    }
}

/// Whether a value matches this schema: as much of JSON Schema (draft 2020-12) as the description uses.
fn is_valid(description: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(description, schema);
    let valid = |schema: &Value, value: &Value| is_valid(description, schema, value);
    let all = |key: &str, check: &dyn Fn(&Value) -> bool| schema.get(key).is_none_or(check);
    let kinds = |kind: &Value| match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "string" => value.is_string(),
        "object" => value.is_object(),
        other => panic!("{other} is in no request"),
    };
    let matches = |pattern: &Value| {
        let Some(text) = value.as_str() else { return true };
        match pattern.as_str().unwrap() {
            r"^\+[1-9][0-9]{6,14}$" => text.strip_prefix('+').is_some_and(|digits| {
                (7..=15).contains(&digits.len())
                    && !digits.starts_with('0')
                    && digits.bytes().all(|b| b.is_ascii_digit())
            }),
            "^[0-9A-Za-z*#+.,:;/()!?-]+$" => {
                !text.is_empty()
                    && text.chars().all(|c| c.is_ascii_alphanumeric() || "*#+.,:;/()!?-".contains(c))
            }
            typed if typed.starts_with(r"[^\s\u0085") => !Code::is_blank(text),
            seen if seen.starts_with(r"^[^\u0000-\u001f\u007f-\u009f\u00ad") => {
                Unfit::in_line(text).is_none()
            }
            "^[1-9][0-9]{0,5}(ms|s|m|h|d)$" => text.starts_with(|c: char| c.is_ascii_digit()),
            "^(19[7-9][0-9]|[2-9][0-9]{3})-" => text.starts_with("2027-"),
            "^[!-~]([ -~]*[!-~])?$" => text.bytes().all(|b| b.is_ascii_graphic()),
            other => panic!("{other} is not known here"),
        }
    };
    let length = value.as_str().map(|text| text.chars().count() as u64);
    let members = value.as_object();
    all("type", &|kind| kind.as_array().map_or_else(|| kinds(kind), |list| list.iter().any(kinds)))
        && all("const", &|only| only == value)
        && all("enum", &|words| words.as_array().unwrap().contains(value))
        && all("minimum", &|least| value.as_i64().is_none_or(|n| n >= least.as_i64().unwrap()))
        && all("maximum", &|most| value.as_i64().is_none_or(|n| n <= most.as_i64().unwrap()))
        && all("minLength", &|least| length.is_none_or(|n| n >= least.as_u64().unwrap()))
        && all("maxLength", &|most| length.is_none_or(|n| n <= most.as_u64().unwrap()))
        && all("pattern", &matches)
        && all("format", &|_| value.as_str().is_none_or(|text| text.starts_with("2027-")))
        && all("oneOf", &|list| list.as_array().unwrap().iter().filter(|s| valid(s, value)).count() == 1)
        && all("anyOf", &|list| list.as_array().unwrap().iter().any(|s| valid(s, value)))
        && all("required", &|names| {
            names.as_array().unwrap().iter().all(|name| value.get(name.as_str().unwrap()).is_some())
        })
        && members.is_none_or(|members| {
            members.iter().all(|(name, value)| match schema["properties"].get(name) {
                Some(schema) => valid(schema, value),
                None => match &schema["additionalProperties"] {
                    Value::Bool(any) => *any,
                    Value::Null => true,
                    schema => valid(schema, value),
                },
            })
        })
}

/// A value that matches a schema.
fn sample(description: &Value, schema: &Value) -> Value {
    let schema = resolved(description, schema);
    if let Some(example) = schema.pointer("/examples/0").or_else(|| schema.get("default")) {
        return example.clone();
    }
    if let Some(one) = schema.pointer("/oneOf/0") {
        return sample(description, one);
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind.unwrap() {
        "boolean" => json!(false),
        "integer" => schema["minimum"].clone(),
        "object" => json!({"name": "x"}),
        _ if schema["format"] == "date-time" => json!("2027-01-15T08:00:00Z"),
        _ => json!("default"),
    }
}

/// The values at the bounds that a schema sets, those beyond them, and those of every other type.
fn probes(description: &Value, schema: &Value) -> Vec<Value> {
    let schema = resolved(description, schema);
    let mut probes = vec![
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("x"),
        json!([]),
        json!({}),
        json!({"name": 1}),
    ];
    for bound in ["minimum", "maximum"].iter().filter_map(|key| schema[key].as_i64()) {
        probes.extend([bound - 1, bound, bound + 1].map(Value::from));
    }
    for bound in ["minLength", "maxLength"].iter().filter_map(|key| schema[key].as_u64()) {
        let bound = usize::try_from(bound).unwrap();
        probes.extend([bound - 1, bound, bound + 1].map(|length| json!("1".repeat(length))));
    }
    if schema["pattern"].as_str().is_some_and(|pattern| pattern.starts_with("^\\+")) {
        probes.extend([6, 7, 15, 16].map(|digits| json!(format!("+{}", "4".repeat(digits)))));
        probes.extend(["+0791234567", "41791234567", "+41 79 123 45 67", "+4179123456x"].map(Value::from));
    }
    for one in schema["oneOf"].as_array().into_iter().flatten() {
        probes.extend(self::probes(description, one));
    }
    probes
}

/// Every body that differs from `full` in one member.
fn changed(description: &Value, schema: &Value, full: &Map<String, Value>) -> Vec<Value> {
    let mut bodies = vec![json!(full), json!({}), json!([])];
    let mut with = |name: &str, value: Option<Value>| {
        let mut body = full.clone();
        body.remove(name);
        body.extend(value.map(|value| (name.to_owned(), value)));
        bodies.push(json!(body));
    };
    with("stranger", Some(json!("x")));
    for (name, schema) in schema["properties"].as_object().unwrap() {
        with(name, None);
        for probe in probes(description, schema) {
            with(name, Some(probe));
        }
    }
    bodies
}

#[tokio::test]
async fn a_body_is_taken_when_it_is_as_described() {
    let api = served_whole();
    let verification = api.issue().await["id"].as_str().unwrap().to_owned();
    let description = description();
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| ["POST", "PUT"].contains(&route.method)) {
        let path = route
            .path
            .replace("{id}", &verification)
            .replace("{name}", "stick1")
            .replace("{phone}", &escape(NUMBER));
        let call = |body: Value| match route.method {
            "PUT" => api.call(Call::put(&path).json(body)),
            _ => api.call(Call::post(&path).json(body)),
        };
        let operation = operation(&description, route);
        let body = &operation["requestBody"];
        if body.is_null() {
            assert!(call(json!({})).await.status.is_success(), "{path}");
            assert_eq!(call(json!({"stranger": "x"})).await.status, 422, "{path}");
            continue;
        }
        assert_eq!(body["required"], true, "{path}");
        let schema = resolved(&description, &body["content"]["application/json"]["schema"]);
        let properties = schema["properties"].as_object().unwrap();
        // Generators take a member with a default for one that is always there.
        assert!(properties.values().all(|member| member.get("default").is_none()), "{path}");
        let full = properties.iter().map(|(name, s)| (name.clone(), sample(&description, s))).collect();
        for body in changed(&description, schema, &full) {
            let told = body.to_string();
            let reply = call(body.clone()).await;
            let taken = ![400, 422].contains(&reply.status.as_u16());
            assert_eq!(taken, is_valid(&description, schema, &body), "{path} {told}: {}", reply.status);
            let status = reply.status.as_u16().to_string();
            assert!(
                !reply.status.is_success() || operation["responses"].get(&status).is_some(),
                "{path} {status}"
            );
            if body.get("stranger").is_some() {
                assert_eq!(reply.status, 422, "{path}");
            }
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

#[tokio::test]
async fn a_parameter_is_taken_when_it_is_as_described() {
    let api = served_whole();
    let description = description();
    for route in ROUTES.iter().filter(|route| route.query.contains(&"limit")) {
        let parameters = operation(&description, route)["parameters"].as_array().unwrap();
        let parameters = parameters.iter().map(|parameter| resolved(&description, parameter));
        let limit = &parameters.clone().find(|parameter| parameter["name"] == "limit").unwrap()["schema"];
        assert_eq!(limit["default"], 50);
        let numbers = ["minimum", "maximum"].map(|key| limit[key].as_i64().unwrap());
        for number in numbers.into_iter().flat_map(|bound| [bound - 1, bound, bound + 1]) {
            let status = api.call(Call::get(format!("{}?limit={number}", route.path))).await.status;
            assert_eq!(
                status == 200,
                is_valid(&description, limit, &json!(number)),
                "{} {number}",
                route.path
            );
        }
        let unknown = api.call(Call::get(format!("{}?stranger=x", route.path))).await;
        assert_eq!(ticked(&unknown.problem().unwrap().detail), [&["stranger"], route.query].concat());
    }
    for status in MessageStatus::ALL {
        let reply = api.call(Call::get(format!("/v1/messages?status={}", status.as_str()))).await;
        assert_eq!(reply.status, 200, "{}", status.as_str());
    }
    for status in VerificationStatus::ALL {
        let reply = api.call(Call::get(format!("/v1/verifications?status={}", status.as_str()))).await;
        assert_eq!(reply.status, 200, "{}", status.as_str());
    }
    let key = &description["components"]["parameters"]["IdempotencyKey"]["schema"];
    for length in
        ["minLength", "maxLength"].map(|bound| usize::try_from(key[bound].as_u64().unwrap()).unwrap())
    {
        for length in [length - 1, length, length + 1] {
            let text = "k".repeat(length);
            let call = Call::post("/v1/messages").json(json!({"to": NUMBER, "text": "x"}));
            let reply = api.call(call.header("idempotency-key", &text)).await;
            assert_eq!(reply.status == 202, is_valid(&description, key, &json!(text)), "{length}");
        }
    }
}
