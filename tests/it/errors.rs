//! Where the `type` of an error leads.

use mtbridge::api::catalogue::CODES;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use crate::harness::{TestHub, client};

#[tokio::test]
async fn the_type_of_an_error_leads_to_what_it_means() {
    let hub = TestHub::start().await;
    let problem = hub.admin().get("/api/v1/terminals/4711/account").await.refused(404, "terminal_not_found");
    let entry = hub.api("").get(problem["type"].as_str().unwrap()).await.expect(200);
    assert_eq!((&entry["code"], &entry["statuses"]), (&problem["code"], &json!([404])));
    for field in ["meaning", "remedy"] {
        assert!(entry[field].as_str().is_some_and(|text| text.len() > 10), "{entry}");
    }
}

#[tokio::test]
async fn every_code_has_a_page_for_people_that_runs_nothing() {
    let hub = TestHub::start().await;
    let open = async |path: String| {
        let request = client().get(format!("http://{}{path}", hub.addr())).header(ACCEPT, "text/html,*/*;q=0.8");
        request.send().await.unwrap()
    };
    let all = open("/errors".to_owned()).await.text().await.unwrap();
    for entry in CODES {
        assert!(all.contains(&format!("href=\"/errors/{}\"", entry.code)), "{}", entry.code);
    }
    let one = open("/errors/kill_switch".to_owned()).await;
    let policy = one.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    let text = one.text().await.unwrap();
    assert!(text.contains("kill_switch") && !text.contains("<script") && !text.contains("style="), "{text}");
    let sheet = text.split_once("rel=\"stylesheet\" href=\"").unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(open(sheet).await.headers()["content-type"], "text/css; charset=utf-8");
    let unknown = open("/errors/none_such".to_owned()).await;
    assert_eq!((unknown.status().as_u16(), unknown.json::<Value>().await.unwrap()["code"].as_str()), (404, Some("not_found")));
}
