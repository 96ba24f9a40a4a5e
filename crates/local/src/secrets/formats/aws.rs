//! The credentials file of the AWS command line: keys under `[profile]`.

use super::problem::ImportFile;
use nightlatch_core::memory::SecretBuffer;

/// The keys that are credentials.
const CREDENTIALS: [&str; 3] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
];

/// The credentials of each profile, named `aws/PROFILE/KEY`.
pub fn read_aws(text: &[u8]) -> ImportFile {
    let mut file = ImportFile::default();
    let mut profile = None;
    for (line, content) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let content = content.trim_ascii();
        if content.is_empty() || content.starts_with(b"#") || content.starts_with(b";") {
            continue;
        }
        if let Some(header) = content.strip_prefix(b"[") {
            let name = header.strip_suffix(b"]").map(<[u8]>::trim_ascii);
            // As in the configuration file.
            let name = name.map(|name| name.strip_prefix(b"profile ").unwrap_or(name).trim_ascii());
            profile = name.and_then(|name| std::str::from_utf8(name).ok());
            if profile.is_none() {
                file.problem(line, "not the name of a profile");
            }
            continue;
        }
        let Some(at) = content.iter().position(|&byte| byte == b'=') else {
            file.problem(line, "there is no = in it");
            continue;
        };
        let (key, value) = (content[..at].trim_ascii(), content[at + 1..].trim_ascii());
        let Some(key) = CREDENTIALS.iter().find(|known| known.as_bytes() == key) else {
            file.problem(line, "not a credential");
            continue;
        };
        match profile {
            None => file.problem(line, "it belongs to no profile"),
            Some(_) if value.is_empty() => file.problem(line, "the value is empty"),
            Some(profile) => {
                let name = format!("aws/{profile}/{key}");
                file.add(line, &name, SecretBuffer::copy_of(value));
            }
        }
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credentials_of_each_aws_profile_are_read_and_other_settings_are_told() {
        let text =
            b"# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=s3/cr=et\n\
            region = eu-west-1\n[profile prod]\naws_access_key_id=AKIA2\naws_session_token =\n[x\n\
            aws_access_key_id=AKIA3\nnonsense\n";
        let file = read_aws(text);
        let items: Vec<_> = file
            .items
            .iter()
            .map(|item| (item.name.as_str(), item.value.expose()))
            .collect();
        assert_eq!(
            items,
            [
                ("aws/default/aws_access_key_id", &b"AKIA1"[..]),
                ("aws/default/aws_secret_access_key", b"s3/cr=et"),
                ("aws/prod/aws_access_key_id", b"AKIA2"),
            ]
        );
        let lines: Vec<_> = file.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [5, 8, 9, 10, 11]);
    }
}
