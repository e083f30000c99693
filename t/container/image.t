#!/usr/bin/perl

# docs/examples/container/Containerfile, built and run by podman: without root,
# on a root file system that is read-only.  Its debian:12 is made here by
# debootstrap, of the mirrors that this machine uses.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Path qw(make_path);
use File::Temp;

use Katalo::Examples qw(example_path);
use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);

plan skip_all => 'only root has all that is needed' if $> != 0;

# podman leaves processes and mounts behind, which end with the namespaces;
# crun wants no control groups of both versions

if (!$ENV{KATALO_CONTAINER}) {
    $ENV{KATALO_CONTAINER} = 1;
    exec 'unshare', '--mount', '--pid', '--fork', '--mount-proc',
         '--kill-child', 'sh', '-c',
         'umount /sys/fs/cgroup/unified 2> /dev/null; "$@"; exit $?',
         'sh', $^X, $0 or die "unshare: $!\n";
}

my $root = "$FindBin::Bin/../..";
my $directory = File::Temp->newdir('katalo-container-XXXXXX', TMPDIR => 1);
my @podman = ('podman', '--root', "$directory/storage", '--runroot',
              "$directory/run", '--tmpdir', "$directory/tmp",
              '--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs',
              '--events-backend', 'file');


# (exit code, output)
sub run {
    my (@command) = @_;

    unlink "$directory/output";
    my $process = Katalo::Test::Process->spawn(
        command => \@command, output => "$directory/output");
    wait_until(sub { !$process->is_running }, 1800);

    return ($process->stop >> 8, slurp("$directory/output"));
}


sub podman { return run(@podman, @_) }


# The last lines, where the command fails.
sub does {
    my ($title, @command) = @_;
    my ($code, $output) = run(@command);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($code, 0, $title)
        or BAIL_OUT(join "\n", (split /\n/, $output)[-20 .. -1]);

    return $output;
}


sub write_file {
    my ($path, $text) = @_;

    open my $file, '>', "$directory/$path" or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
    chown 0, 33, "$directory/$path";
    chmod 0640, "$directory/$path";

    return;
}


# the base

my ($mirror) = `apt-get indextargets --format '\$(REPO_URI)' \\
    'Created-By: Packages' 'Origin: Debian' 'Component: main' | head -n 1`
    =~ /(\S+)/;

does('debootstrap makes debian:12', 'debootstrap', '--variant=minbase',
     '--include=ca-certificates', 'bookworm', "$directory/debian", $mirror);
does('which finds the mirrors as this machine does', 'sh', '-c',
     "apt-config dump | grep '^Acquire::\\(Check\\|https\\?::\\)' \\
         > $directory/debian/etc/apt/apt.conf.d/90host; true");
does('it is an image', 'sh', '-c', "tar -C $directory/debian -c . | "
     . join(' ', @podman) . ' import - docker.io/library/debian:12');


# the image

does('the Containerfile is built', @podman, 'build', '--network=host',
     '--isolation=chroot', '--pull=never', '--format=docker',
     '-t', 'katalo-gateway', '-f', example_path('container/Containerfile'),
     $root);

my $inspected = does('and inspected', @podman, 'inspect', 'katalo-gateway');
like($inspected, qr/"User": "33:33"/, 'its user is not root');
like($inspected, qr/"Healthcheck": \{/, 'it has a healthcheck');
unlike($inspected, qr/kat_live_/, 'and no key');


# a container, first with an empty key

my $key = new_key('prod1');
my $tls = "$directory/secrets/tls";

make_path("$directory/secrets/katalo", $tls);
write_file('secrets/katalo/production', '');
write_file("secrets/tls/$_->[0]", slurp($_->[1]))
    for ['tls.crt', certificate('server')],
        ['tls.key', certificate_key('server')], ['ca.crt', certificate('ca')];

does('it runs on a root that is read-only', @podman, 'run', '--detach',
     '--name=gateway', '--no-healthcheck', '--cgroups=disabled',
     '--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024',
     '--network=none', '--add-host=app.katalo.ai:127.0.0.1',
     '--read-only', '--tmpfs=/tmp', '--cap-drop=ALL',
     '--security-opt=no-new-privileges',
     '-v', "$directory/secrets/katalo:/run/secrets/katalo:ro",
     '-v', "$tls:/run/secrets/tls:ro", 'katalo-gateway');

my ($check) = slurp(example_path('container/Containerfile'))
              =~ /^HEALTHCHECK .*\\\n +CMD \[(.*)\]$/m;
my @check = $check =~ /"(.*?)"/g;
my $output;


sub healthy { return (podman('exec', 'gateway', @check))[0] == 0 }


ok(wait_until(sub {
    $output = (podman('exec', 'gateway', @check))[1];
    return $output =~ /: 503$/m;
}), 'with an empty key it is unhealthy') or diag($output);

write_file('secrets/katalo/new', "$key\n");
rename "$directory/secrets/katalo/new", "$directory/secrets/katalo/production";
ok(wait_until(\&healthy), 'with a key it becomes healthy');

isnt((podman('exec', 'gateway', 'touch', '/etc/x'))[0], 0,
     'nothing can be written');
like((podman('exec', 'gateway', 'id', '-u'))[1], qr/^33$/m,
     'its user is www-data');

my $log = (podman('logs', 'gateway'))[1];

like($log, qr/\[notice\].*ngx_http_katalo_module/, 'the log is of its output');
lacks_secrets($log, 'and has no key');

podman('stop', '--time=60', 'gateway');
is((podman('inspect', '--format={{.State.ExitCode}}', 'gateway'))[1], "0\n",
   'it stops in order');
podman('rm', '--force', '--all');

done_testing();
