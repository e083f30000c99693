#!/usr/bin/perl

# The other files of docs/examples/ are taken by the programs that read them,
# and agree with the configurations of nginx there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Temp;
use List::Util qw(uniq);

use Katalo::Examples qw(example example_path);

my $directory = File::Temp->newdir('katalo-files-XXXXXX', TMPDIR => 1);


# (exit code, output)
sub run {
    my ($command) = @_;
    my $output = `$command 2>&1 < /dev/null`;

    return ($? >> 8, $output);
}


sub altered {
    my ($name, $from, $to) = @_;
    my $path = "$directory/altered";

    open my $file, '>', $path or die "$path: $!\n";
    print $file example($name) =~ s/\Q$from\E/$to/r;
    close $file or die "$path: $!\n";

    return $path;
}


# The program takes the file as it is, and not with an error in it.
sub takes {
    my ($program, $name, $from, $to) = @_;
    my ($code, $output) = run(sprintf $program, example_path($name));

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($code, 0, "$name is taken") or diag($output);
    isnt((run(sprintf $program, altered($name, $from, $to)))[0], 0,
         'with an error it is not');

    return $output;
}


# Compose, AppArmor

my $compose = takes('/usr/bin/docker-compose --file %s config',
                    'compose/compose.yaml', 'read_only:', 'readonly:');

takes('apparmor_parser --skip-kernel-load --skip-cache %s',
      'apparmor/usr.sbin.nginx', 'capability setuid', 'capability setuids');

my $conf = example('container/nginx.conf');

like($compose, qr/target: $_$|:$_\/tcp$/m, "port $_ of nginx is published")
    for $conf =~ /listen +(\d+)/g;
like($compose, qr{:$_:ro$}m, "$_ is mounted")
    for uniq($conf =~ m{(/run/secrets/\w+)/}g);


# The files of nginx that AppArmor, systemd and Vault name

my $profile = example('apparmor/usr.sbin.nginx');
my $environments = example('environments/nginx.conf');
my ($destination) = example('vault/agent.hcl') =~ /destination *= "(.*)"/;

like($environments, qr{file:\Q$destination\E;}, 'Vault writes a key of nginx');

for my $path ($environments =~ m{(?:file:|_log +)(/[^;\s]+)}g) {
    my ($covering) = grep { $path =~ /\A$_\z/ }
                     map { quotemeta =~ s{\\\*\\\*}{.+}r =~ s{\\\*}{[^/]+}r }
                     $profile =~ m{^ +(/\S+) }mg;

    ok($covering, "AppArmor allows $path");
}

my ($credential) = example('systemd/katalo.conf')
                   =~ /^LoadCredential=(\w+):/m;
like(example('systemd/katalo.conf'), qr/ credential:$credential /,
     'the directive names the credential');


# README.md there

my $readme = example('README.md');
my @unnamed = grep { index($readme, "($_)") < 0 }
              map { s{^\Q@{[ example_path('') ]}\E}{}r }
              glob example_path('*/*');

is_deeply(\@unnamed, [], 'README.md names each file');

done_testing();
