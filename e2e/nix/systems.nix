# Synthetic NixOS systems: real derivations with /bin/sh as builder, so that a machine with nothing
# but nix builds a whole system in a second or two. They keep the outward contract of a NixOS
# toplevel (files, links, switch-to-configuration's actions and exit codes); what runs inside is shell.
{
  # Generation: changes `changed` packages, the etc and the toplevel.
  gen ? "1",
  # What goes wrong; the list stands in switch-to-configuration.sh.
  mode ? "ok",
  # Seconds that activation takes in mode "slow".
  seconds ? "5",
  host ? "device",
  # Number of packages, and how many of them differ in each generation.
  packages ? "24",
  changed ? "5",
  # MiB of one incompressible extra path that differs in each generation; "0" leaves it out.
  big ? "0",
  # Units that fail in this system in whatever mode, separated by spaces.
  failing ? "",
  # Version of the kernel; another one makes a reboot necessary.
  kernel ? "6.6.30",
  # Another one than the running system's cannot take over live: a reboot is needed.
  initInterface ? "systemd 255",
  # Contents of switch-inhibitors; empty: no such file.
  inhibitors ? "",
  # JSON text of etc/nix-ota/agent.json, what the orphan guard reads.
  agentJson ? "{}",
  # What is wrong with the system's own agent:
  #   yes       nothing: sw/bin/nix-ota-agent runs the checkout's agent
  #   no        configuration, units and program are left out: the update would orphan its device
  #   broken    the program ends with 1 whatever it is asked
  #   hangs     the program never ends
  #   missing   the program is not there, units and configuration are
  #   unfit     its self-test fails, everything else works
  #   no-boot   the boot service is not there
  #   masked    the agent's unit is a link to /dev/null, as NixOS makes one that is not enabled
  agent ? "yes",
  # Another version makes another agent package, as an update of the agent does.
  agentVersion ? "0.1.0",
  # Absolute paths of a node and of the agent's entry file; empty: the program ends with 127.
  agentNode ? "",
  agentMain ? "",
}:
let
  number = builtins.fromJSON;
  build =
    name: script: environment:
    derivation (
      {
        inherit name script;
        system = builtins.currentSystem;
        builder = "/bin/sh";
        PATH = "/usr/bin:/bin";
        args = [
          "-euc"
          "eval \"$script\""
        ];
      }
      // environment
    );

  # Hashes are incompressible text that costs the builder no process.
  noise =
    seed:
    builtins.concatStringsSep "\n" (
      builtins.genList (line: builtins.hashString "sha256" "${seed} ${toString line}") 24
    );

  package =
    index:
    let
      version = if index < number changed then "1.${gen}" else "1.0";
      name = "package${toString index}";
    in
    build "${name}-${version}"
      ''
        mkdir -p $out/bin $out/share/$title
        printf '#!/bin/sh\necho %s\n' "$title $version" > $out/bin/$title
        chmod +x $out/bin/$title
        printf '%s\n' "$noise" > $out/share/$title/data
        printf '%s\n' "$dependencies" > $out/share/$title/dependencies
      ''
      {
        title = name;
        inherit version;
        noise = noise "${name}-${version}";
        # The later half of the packages depends on the ones just before it: closures have depth.
        dependencies = if index >= number packages / 2 then [ (builtins.elemAt all (index - number packages / 2 + number changed)) ] else [ ];
      };
  all = builtins.genList package (number packages);

  # perl-base is essential in Debian; a seeded generator makes the same bytes on every machine.
  blob =
    build "blob-1.${gen}"
      ''
        mkdir -p $out/share
        perl -e 'srand($ARGV[1]); print pack("N*", map { int rand 4294967296 } 1..65536) for 1..4*$ARGV[0]' $mebibytes $seed > $out/share/blob
      ''
      {
        mebibytes = big;
        seed = builtins.concatStringsSep "" (
          builtins.filter builtins.isString (builtins.split "[^0-9]" "7${gen}")
        );
      };

  linux =
    build "linux-${kernel}"
      ''
        mkdir -p $out/lib/modules/$version
        echo "kernel $version" > $out/bzImage
      ''
      { version = kernel; };
  initrd =
    build "initrd-linux-${kernel}"
      ''
        mkdir -p $out
        echo "initrd $version" > $out/initrd
      ''
      { version = kernel; };

  agentPackage =
    build "nix-ota-agent-${agentVersion}"
      ''
        mkdir -p $out/bin
        {
          printf '#!/bin/sh\n# nix-ota-agent %s\n' "$version"
          case $state in
            broken) echo 'echo "the agent of this system is broken" >&2; exit 1' ;;
            hangs) echo 'exec sleep 100000' ;;
            unfit) echo 'if [ "''${1:-}" = self-test ]; then echo "this agent finds itself unfit" >&2; exit 4; fi' ;;
          esac
          printf 'exec "%s" "%s" "$@"\n' "$node" "$main"
        } > $out/bin/nix-ota-agent
        chmod +x $out/bin/nix-ota-agent
      ''
      {
        version = agentVersion;
        node = agentNode;
        main = agentMain;
        # Systems that differ in something else share the package.
        state = if builtins.elem agent [ "broken" "hangs" "unfit" ] then agent else "ok";
      };

  path = build "system-path" ''
    mkdir -p $out/bin
    for package in $packages; do ln -s $package/bin/* $out/bin/; done
    ${if builtins.elem agent [ "no" "missing" ] then "" else "ln -s $agentPackage/bin/* $out/bin/"}
    printf '%s\n' "$health" > $out/bin/sim-health
    chmod +x $out/bin/sim-health
    ${if big == "0" then "" else "ln -s $blob/share $out/share"}
  '' ({
    packages = all;
    health = builtins.readFile ./sim-health.sh;
    inherit agentPackage;
  } // (if big == "0" then { } else { inherit blob; }));

  etc = build "etc" ''
    mkdir -p $out/etc
    echo "$host" > $out/etc/hostname
    printf 'NAME=NixOS\nID=nixos\nVERSION_ID="24.05"\nBUILD_ID="24.05.%s"\n' "$gen" > $out/etc/os-release
    units=$out/etc/systemd/system
    mkdir -p $units/multi-user.target.wants
    want() { ln -s "$units/$1" "$units/multi-user.target.wants/$1"; }
    # A system has all units of its machine: the target to boot, and none that waits for a console,
    # users or hardware, which no container has.
    ln -s /usr/lib/systemd/system/multi-user.target $units/default.target
    for unit in $masked; do ln -s /dev/null $units/$unit; done
    printf '[Unit]\nDescription=Application of generation %s\n[Service]\nType=exec\nExecStartPre=%s\nExecStart=/usr/bin/sleep infinity\n' "$gen" "$startApplication" > $units/app.service
    want app.service
    for unit in $failing; do
      printf '[Unit]\nDescription=Fails\n[Service]\nType=oneshot\nExecStart=/usr/bin/false\n' > $units/$unit
      want $unit
    done
    ${
      if agent == "no" then
        ""
      else
        ''
          mkdir -p $out/etc/nix-ota
          printf '%s\n' "$agentJson" > $out/etc/nix-ota/agent.json
          # The unit of another agent is another file, as it is where units name store paths.
          ${
            if agent == "masked" then
              "ln -s /dev/null $units/nix-ota-agent.service"
            else
              "printf '%s\\n# %s\\n' \"$agentUnit\" \"$agentVersion\" > $units/nix-ota-agent.service"
          }
          want nix-ota-agent.service
          # The checkout that the agent runs from may be somebody's home, and a test waits for no rest.
          mkdir $units/nix-ota-agent.service.d
          printf '[Service]\nProtectHome=no\nRestartSec=200ms\n' > $units/nix-ota-agent.service.d/here.conf
          ${
            if agent == "no-boot" then
              ""
            else
              ''
                printf '%s' "$bootUnit" > $units/nix-ota-boot.service
                want nix-ota-boot.service
              ''
          }
        ''
    }
  '' {
    inherit gen host agentJson;
    inherit agentVersion;
    agentUnit = builtins.readFile ../../agent/systemd/nix-ota-agent.service;
    bootUnit = builtins.readFile ../../agent/systemd/nix-ota-boot.service;
    startApplication =
      if mode == "exit4" then "/usr/bin/false" else "${builtins.elemAt all 0}/bin/package0";
    inherit failing;
    masked = "systemd-logind.service systemd-update-utmp.service systemd-update-utmp-runlevel.service getty.target";
  };
in
build "nixos-system-${host}-24.05.${gen}" ''
  mkdir -p $out/bin $out/specialisation $out/systemd
  ln -s $etc/etc $out/etc
  ln -s $linux/bzImage $out/kernel
  ln -s $linux $out/kernel-modules
  ln -s $initrd/initrd $out/initrd
  ln -s $path $out/sw
  printf %s "24.05.$gen" > $out/nixos-version
  printf %s loglevel=4 > $out/kernel-params
  printf %s ${builtins.currentSystem} > $out/system
  printf %s "$interface" > $out/init-interface-version
  if [ -n "$inhibitors" ]; then printf '%s' "$inhibitors" > $out/switch-inhibitors; fi
  fill() {
    sed -e "s|@out@|$out|g" -e "s|@gen@|$gen|g" -e "s|@mode@|$mode|g" -e "s|@seconds@|$seconds|g" \
      -e "s|@failing@|$failing|g" "$1" > "$2"
    chmod +x "$2"
  }
  fill $activate $out/activate
  fill $init $out/init
  fill $startUnits $out/systemd/start-units
  fill $systemdUnits $out/systemd/systemd-units
  fill $installBootLoader $out/bin/install-boot-loader
  fill $switch $out/bin/switch-to-configuration
  if [ "$mode" = empty ]; then : > $out/bin/switch-to-configuration; fi
'' {
  inherit
    gen
    mode
    seconds
    failing
    etc
    linux
    initrd
    path
    ;
  interface = initInterface;
  inherit inhibitors;
  # The attribute is not PATH: `path` is the system path, PATH is set by build.
  activate = ./activate.sh;
  init = ./init.sh;
  startUnits = ./start-units.sh;
  systemdUnits = ./systemd-units.sh;
  installBootLoader = ./install-boot-loader.sh;
  switch = ./switch-to-configuration.sh;
}
