package Katalo::Container;

# Images that podman builds and runs, for root only.
#
#   enter()                     at first: podman leaves processes and mounts
#                               behind, which end with namespaces of the test
#   my $directory = directory() of files that the test needs, removed at the end
#   make_debian(@commands)      debian:12, of the mirrors of this machine; the
#                               commands of a shell run in its root directory
#   build($title, $name, $directory, $file, @options)
#   gateway_runs($name, $file, $user)
#                               without root, on a root file system that is
#                               read-only, with the healthcheck of the file

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use File::Temp;
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);

our @EXPORT_OK = qw(enter directory does make_debian build gateway_runs);

my ($directory, @podman);


sub enter {
    plan skip_all => 'only root has all that is needed' if $> != 0;

    # crun wants no control groups of both versions

    if (!$ENV{KATALO_CONTAINER}) {
        $ENV{KATALO_CONTAINER} = 1;
        exec 'unshare', '--mount', '--pid', '--fork', '--mount-proc',
             '--kill-child', 'sh', '-c',
             'umount /sys/fs/cgroup/unified 2> /dev/null; "$@"; exit $?',
             'sh', $^X, $0 or die "unshare: $!\n";
    }

    $directory = File::Temp->newdir('katalo-container-XXXXXX', TMPDIR => 1);
    @podman = ('podman', '--root', "$directory/storage", '--runroot',
               "$directory/run", '--tmpdir', "$directory/tmp",
               '--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs',
               '--events-backend', 'file');

    return;
}


sub directory { return "$directory" }


# (exit code, output)
sub _run {
    my (@command) = @_;

    unlink "$directory/output";
    my $process = Katalo::Test::Process->spawn(
        command => \@command, output => "$directory/output");
    wait_until(sub { !$process->is_running }, 1800);

    return ($process->stop >> 8, slurp("$directory/output"));
}


sub _podman { return _run(@podman, @_) }


# The last lines, where the command fails.
sub does {
    my ($title, @command) = @_;
    my ($code, $output) = _run(@command);
    my @lines = split /\n/, $output;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($code, 0, $title)
        or BAIL_OUT(join "\n", splice @lines, @lines > 20 ? -20 : 0);

    return $output;
}


sub make_debian {
    my (@commands) = @_;
    my $root = "$directory/debian";
    my ($mirror) = `apt-get indextargets --format '\$(REPO_URI)' \\
        'Created-By: Packages' 'Origin: Debian' 'Component: main' | head -n 1`
        =~ /(\S+)/;

    does('debootstrap makes debian:12', 'debootstrap', '--variant=minbase',
         '--include=ca-certificates', 'bookworm', $root, $mirror);
    does('which finds the mirrors as this machine does', 'sh', '-c',
         "apt-config dump | grep '^Acquire::\\(Check\\|https\\?::\\)' \\
             > $root/etc/apt/apt.conf.d/90host; true");
    does("it has: $_", 'sh', '-c', "cd $root && $_") for @commands;
    does('it is an image', 'sh', '-c', "tar -C $root -c . | "
         . join(' ', @podman) . ' import - docker.io/library/debian:12');

    return;
}


sub build {
    my ($title, $name, $context, $file, @options) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    does($title, @podman, 'build', '--network=host', '--isolation=chroot',
         '--pull=never', '--format=docker', @options, '-t', $name,
         '-f', $file, $context);

    return;
}


sub _write_file {
    my ($path, $text, $group) = @_;

    open my $file, '>', "$directory/$path" or die "$path: $!\n";
    print $file $text;
    close $file or die "$path: $!\n";
    chown 0, $group, "$directory/$path";
    chmod 0640, "$directory/$path";

    return;
}


sub gateway_runs {
    my ($name, $file, $user) = @_;
    my $inspected = does('the image is inspected', @podman, 'inspect', $name);

    like($inspected, qr/"User": "$user:$user"/, 'its user is not root');
    like($inspected, qr/"Healthcheck": \{/, 'it has a healthcheck');
    unlike($inspected, qr/kat_live_/, 'and no key');

    # a container, first with an empty key

    my $key = new_key('prod1');
    my $tls = "$directory/secrets/tls";

    make_path("$directory/secrets/katalo", $tls);
    _write_file('secrets/katalo/production', '', $user);
    _write_file("secrets/tls/$_->[0]", slurp($_->[1]), $user)
        for ['tls.crt', certificate('server')],
            ['tls.key', certificate_key('server')],
            ['ca.crt', certificate('ca')];

    does('it runs on a root that is read-only', @podman, 'run', '--detach',
         '--name=gateway', '--no-healthcheck', '--cgroups=disabled',
         '--ulimit=nofile=1024:1024', '--ulimit=nproc=1024:1024',
         '--network=none', '--add-host=app.katalo.ai:127.0.0.1',
         '--read-only', '--tmpfs=/tmp', '--cap-drop=ALL',
         '--security-opt=no-new-privileges',
         '-v', "$directory/secrets/katalo:/run/secrets/katalo:ro",
         '-v', "$tls:/run/secrets/tls:ro", $name);

    my ($check) = slurp($file) =~ /^HEALTHCHECK .*\\\n +CMD \[(.*)\]$/m;
    my @check = $check =~ /"(.*?)"/g;
    my $output;

    ok(wait_until(sub {
        $output = (_podman('exec', 'gateway', @check))[1];
        return $output =~ /: 503$/m;
    }), 'with an empty key it is unhealthy') or diag($output);

    _write_file('secrets/katalo/new', "$key\n", $user);
    rename "$directory/secrets/katalo/new",
           "$directory/secrets/katalo/production";
    ok(wait_until(sub { (_podman('exec', 'gateway', @check))[0] == 0 }),
       'with a key it becomes healthy');

    isnt((_podman('exec', 'gateway', 'touch', '/etc/x'))[0], 0,
         'nothing can be written');
    like((_podman('exec', 'gateway', 'id', '-u'))[1], qr/^$user$/m,
         "its user is $user");

    my $log = (_podman('logs', 'gateway'))[1];

    like($log, qr/\[notice\].*ngx_http_katalo_module/,
         'the log is of its output');
    lacks_secrets($log, 'and has no key');

    _podman('stop', '--time=60', 'gateway');
    is((_podman('inspect', '--format={{.State.ExitCode}}', 'gateway'))[1],
       "0\n", 'it stops in order');
    _podman('rm', '--force', '--all');

    return;
}


1;
