use super::rules::laid_over;
use serde_json::{Map, Value, json};

/// What a job grants its tasks. Flags of one kind replace what a file grants of it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Grants")]
pub(super) struct Grants {
    /// A directory that the plugin may use, and where it sees it [default: at the same path, read-only]
    #[arg(long, value_name = "HOST_PATH[:GUEST_PATH[:ro|rw]]", value_parser = parse_directory)]
    grant_dir: Vec<Value>,

    /// A server that the plugin may send requests to, such as https://api.example.com, GET,HEAD=https://*.example.com:8443
    /// or http://10.0.0.7 [default: with any method]
    #[arg(long, value_name = "[METHODS=]SCHEME://HOST[:PORT]", value_parser = parse_http)]
    grant_http: Vec<Value>,

    /// A value that the plugin sees as an environment variable
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_config)]
    grant_config: Vec<(String, Value)>,

    /// A secret that the plugin sees a placeholder of as an environment variable; the host puts the secret in its place in
    /// the headers of requests [default: a variable of the secret's name]
    #[arg(long, value_name = "NAME[:VARIABLE]", value_parser = parse_secret)]
    grant_secret: Vec<Value>,
}

impl Grants {
    pub(super) fn laid_over(self, base: Option<&Value>) -> Option<Value> {
        let list = |values: Vec<Value>| (!values.is_empty()).then(|| Value::from(values));
        let config = Map::from_iter(self.grant_config);
        let flags = [
            ("directories", list(self.grant_dir)),
            ("http", list(self.grant_http)),
            ("config", (!config.is_empty()).then(|| Value::from(config))),
            ("secrets", list(self.grant_secret)),
        ];
        laid_over(base, flags)
    }
}

fn parse_directory(text: &str) -> Result<Value, String> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [path] => Ok(json!({ "path": path })),
        [path, mount] => Ok(json!({ "path": path, "mount": mount })),
        [path, mount, "ro"] => Ok(json!({ "path": path, "mount": mount, "access": "read" })),
        [path, mount, "rw"] => Ok(json!({ "path": path, "mount": mount, "access": "read-write" })),
        _ => Err("a grant is HOST_PATH, HOST_PATH:GUEST_PATH, or those with :ro or :rw after them".into()),
    }
}

fn parse_http(text: &str) -> Result<Value, String> {
    let takes = "a grant is SCHEME://HOST, SCHEME://HOST:PORT, or those with METHODS= before them";
    let (methods, url) = match text.split_once('=') {
        Some((methods, url)) => (methods.split(',').collect(), url),
        None => (Vec::new(), text),
    };
    let (scheme, place) = url.split_once("://").ok_or(takes)?;
    let place = place.strip_suffix('/').unwrap_or(place);
    // The colons of an IPv6 address stand within brackets.
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port.parse::<u16>().map_err(|_| takes)?)),
        _ => (place, None),
    };
    let mut grant = json!({ "scheme": scheme, "host": host });
    if let Some(port) = port {
        grant["port"] = port.into();
    }
    if !methods.is_empty() {
        grant["methods"] = methods.into();
    }
    Ok(grant)
}

fn parse_config(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a value is NAME=VALUE")?;
    Ok((name.to_owned(), value.into()))
}

fn parse_secret(text: &str) -> Result<Value, String> {
    match text.split_once(':') {
        None => Ok(json!({ "name": text })),
        Some((name, env)) if !env.contains(':') => Ok(json!({ "name": name, "env": env })),
        Some(_) => Err("a grant is NAME or NAME:VARIABLE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Args, Command, FromArgMatches};

    fn grants(flags: &[&str]) -> Grants {
        let matches = Grants::augment_args(Command::new("create").no_binary_name(true)).get_matches_from(flags);
        Grants::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn flags_of_one_kind_replace_what_a_file_grants_of_it() {
        let file = json!({ "directories": [{ "path": "/a" }], "http": [{ "host": "a" }] });
        let laid = grants(&["--grant-http=https://b", "--grant-config=A=b=c", "--grant-secret=token:API_TOKEN"]);
        assert_eq!(
            laid.laid_over(Some(&file)),
            Some(json!({
                "directories": [{ "path": "/a" }],
                "http": [{ "scheme": "https", "host": "b" }],
                "config": { "A": "b=c" },
                "secrets": [{ "name": "token", "env": "API_TOKEN" }],
            }))
        );
        assert_eq!(grants(&[]).laid_over(Some(&file)), Some(file.clone()), "without any flag it stays");
        assert_eq!(grants(&[]).laid_over(None), None);
    }

    #[test]
    fn a_grant_of_http_is_read_as_a_url_with_methods_before_it() {
        for (text, grant) in [
            ("https://a.example.com", json!({ "scheme": "https", "host": "a.example.com" })),
            ("http://*:8080/", json!({ "scheme": "http", "host": "*", "port": 8080 })),
            ("http://[::1]", json!({ "scheme": "http", "host": "[::1]" })),
            ("http://[::1]:81", json!({ "scheme": "http", "host": "[::1]", "port": 81 })),
            ("GET,POST=https://a", json!({ "scheme": "https", "host": "a", "methods": ["GET", "POST"] })),
        ] {
            assert_eq!(parse_http(text), Ok(grant), "{text}");
        }
        assert!(parse_http("a.example.com").is_err());
        assert!(parse_http("https://a:b").is_err());
    }

    #[test]
    fn a_grant_with_another_access_is_refused() {
        assert!(parse_directory("/d:/data:rwx").is_err());
        assert_eq!(parse_directory("/d"), Ok(json!({ "path": "/d" })));
    }
}
