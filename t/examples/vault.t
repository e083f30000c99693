#!/usr/bin/perl

# docs/examples/vault/agent.hcl, read with the parser and the template engine of
# which Vault's agent is made, since Debian has these only: its template makes a
# key, and no empty file where there is none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Test::More;

use File::Temp;

use Katalo::Examples qw(example example_path);
use Katalo::Test qw(:all);
use Katalo::Test::Process qw(slurp);

my $directory = File::Temp->newdir('katalo-vault-XXXXXX', TMPDIR => 1);
my $key = new_key('vault1');

local @ENV{qw(GO111MODULE GOPATH GOTOOLCHAIN GOCACHE CGO_ENABLED)}
    = ('off', '/usr/share/gocode', 'local', "$directory/cache", 0);

is(system("go build -o $directory/agent $FindBin::Bin/agent.go"), 0,
   'the reader is built') or BAIL_OUT('there is none');


# (exit code, standard output, errors)
sub agent {
    my ($path, @secret) = @_;

    unlink "$directory/output";

    my $process = Katalo::Test::Process->spawn(
        command => ['sh', '-c', '"$@" 2> "$0"', "$directory/errors",
                    "$directory/agent", $path, @secret],
        output => "$directory/output");

    wait_until(sub { !$process->is_running });

    return ($process->stop >> 8, slurp("$directory/output"),
            slurp("$directory/errors"));
}


sub altered {
    my ($from, $to) = @_;
    my $path = "$directory/altered.hcl";

    open my $file, '>', $path or die "$path: $!\n";
    print $file example('vault/agent.hcl') =~ s/$from/$to/r;
    close $file or die "$path: $!\n";

    return $path;
}


my $path = example_path('vault/agent.hcl');
my ($code, $output, $errors) = agent($path, "key=$key");

is($code, 0, 'the file is read') or diag($errors);
ok($output eq $key, 'the template makes the key and nothing else');

($code, $output, $errors) = agent($path);
isnt($code, 0, 'a secret without a key is an error');
like($errors, qr/map has no entry for key "key"/, 'which says so');

is((agent(altered(qr/error_on_missing_key = true/, '')))[1], '<no value>',
   'but for "error_on_missing_key" it would be');
like((agent(altered(qr/perms/, 'permissions')))[2],
     qr/unknown field in template: permissions/, 'an unknown field is found');
isnt((agent(altered(qr/template \{/, 'template')))[0], 0,
     'and a syntax error');

done_testing();
