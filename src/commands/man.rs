//! `k8sverify man`: the man page of the tool, or of one of its commands. Pure.

use clap::CommandFactory;

use super::CommandError;
use crate::cli::{Cli, ManArgs};

/// The page in roff.
///
/// # Errors
/// [`CommandError::Usage`] for a command that does not exist; [`CommandError::Output`] if writing to memory fails.
pub fn page(args: &ManArgs) -> Result<Vec<u8>, CommandError> {
    let mut command = Cli::command();
    command.build();
    let page = match &args.command {
        None => command,
        Some(name) => {
            let known: Vec<String> = command
                .get_subcommands()
                .filter(|one| !one.is_hide_set())
                .map(|one| one.get_name().to_owned())
                .collect();
            let Some(one) = command
                .find_subcommand(name)
                .filter(|_| known.contains(name))
            else {
                return Err(CommandError::Usage(format!(
                    "man {name}: no such command; there are {}",
                    known.join(", ")
                )));
            };
            // Its name is `k8sverify-NAME` since the command was built.
            one.clone()
        }
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page)
        .render(&mut roff)
        .map_err(|error| CommandError::Output(format!("cannot write the man page: {error}")))?;
    Ok(roff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(command: Option<&str>) -> Result<String, CommandError> {
        let args = ManArgs {
            command: command.map(str::to_owned),
        };
        page(&args).map(|page| String::from_utf8(page).unwrap())
    }

    #[test]
    fn the_tool_and_each_command_have_a_page() {
        assert!(ask(None).unwrap().contains("Exit codes"));
        let check = ask(Some("check")).unwrap();
        assert!(
            check.contains(".TH k8sverify-check") && check.contains("manifests"),
            "{check}"
        );
        for wrong in ["nothing", "probe"] {
            let error = ask(Some(wrong)).unwrap_err().to_string();
            assert!(error.contains("verify, graph, check"), "{error}");
        }
    }
}
