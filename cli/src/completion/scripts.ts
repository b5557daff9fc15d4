/** The shells that can be completed in. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** What is printed in the place of words where paths of files are wanted. */
export const FILES = ":files";

// None of them evaluates what was typed: pressing Tab must not run what Enter would.
const BASH = `# Completion of nix-ota in bash 4.4 or later.
_nix_ota() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == ${FILES} ]]; then
      compopt -o default
      return
    fi
    COMPREPLY+=("$line")
  done < <(nix-ota complete bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null </dev/null)
}
complete -F _nix_ota nix-ota
`;

const ZSH = `#compdef nix-ota
# Completion of nix-ota in zsh.
_nix_ota() {
  local line
  local -a found
  for line in "\${(@f)$(nix-ota complete zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)}"; do
    if [[ $line == ${FILES} ]]; then
      _files
      return
    fi
    [[ -n $line ]] && found+=("$line")
  done
  _describe nix-ota found
}
if [[ $funcstack[1] == _nix_ota || $funcstack[1] == _nix-ota ]]; then
  _nix_ota "$@"
else
  compdef _nix_ota nix-ota
fi
`;

const FISH = `# Completion of nix-ota in fish.
function __nix_ota_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l found (nix-ota complete fish -- $words[2..-1] "$current" 2>/dev/null </dev/null)
    if test "$found[1]" = ${FILES}
        __fish_complete_path "$current"
    else if set -q found[1]
        printf '%s\\n' $found
    end
end
complete -c nix-ota -f -a '(__nix_ota_complete)'
`;

/** The script that a shell reads to complete the program's command lines. */
export const SCRIPT: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };
