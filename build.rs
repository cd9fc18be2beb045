//! Says where the dashboard that the binary carries is: `dashboard/dist` when it was built, else a page that says how to build it, so that
//! `cargo build` needs no Node. `REQUIRE_DASHBOARD=1` makes its absence an error, for releases.

use std::{env, fs, path::PathBuf};

const STUB: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>mtbridge</title>\
<h1>This hub was built without its dashboard</h1><p>Build it with Node.js (<code>make dashboard</code>), then build the hub again. \
Everything else works: the REST API, the streams and the command line.</p></html>";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let built = root.join("dashboard/dist");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=dashboard/dist");
    println!("cargo:rerun-if-env-changed=REQUIRE_DASHBOARD");
    let folder = if built.join("index.html").is_file() {
        built
    } else if env::var_os("REQUIRE_DASHBOARD").is_some_and(|value| value != "0") {
        return Err("dashboard/dist is missing: run `make dashboard` first".into());
    } else {
        println!("cargo:warning=the dashboard is not built (make dashboard); the hub will serve a page that says so");
        let stub = PathBuf::from(env::var("OUT_DIR")?).join("stub");
        fs::create_dir_all(&stub)?;
        fs::write(stub.join("index.html"), STUB)?;
        stub
    };
    println!("cargo:rustc-env=DASHBOARD_EMBED_DIR={}", folder.display());
    Ok(())
}
