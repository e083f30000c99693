#!/usr/bin/perl

# Where a key comes from: files of every form, the environment, credentials of
# systemd; at start and over reloads, and what a worker keeps of it.

use strict;
use warnings;
no warnings 'portable';                # addresses

use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Test::Memory qw(LARGEST);
use Katalo::Test::Process qw(slurp);
use Katalo::Upstream qw(expects_auth);

my %key = (
    longest => 'kat_live_l.' . new_secret(512 - length 'kat_live_l.'),
    long_id => 'kat_live_' . 'i' x 501 . '.x',
    shortest => 'kat_live_a.b',
    signs => 'kat_live_-_.-_' . new_secret(),
    map { $_ => new_key($_) } qw(plain line crlf relative link swapped env
                                 kept credential),
);

my %source = map { $_ => "file:%KEY:$_%" } keys %key;
@source{qw(relative env kept credential)}
    = qw(file:../keys/relative env:KATALO_KEY env:KATALO_KEPT credential:plain);

my $up = Katalo::Upstream->new;


sub http {
    my (@names) = @_;
    my @keys = map { "katalo_key $_ $source{$_};" } @names;
    my @locations = map { "location /$_/ { katalo_bearer $_; "
                          . 'proxy_pass https://app.katalo.ai/api/v1/; }' }
                        @names;

    return join "\n", @keys, <<'EOC', @locations, '}';
upstream app.katalo.ai { server 127.0.0.1:%UPSTREAM_PORT%; }
proxy_ssl_trusted_certificate %CA%;
server {
    listen 127.0.0.1:%PORT%;
    location = /status { katalo_status json; }
EOC
}


sub sends {
    my ($gateway, $name, $key, $title) = @_;

    $up->clear;
    $gateway->request('GET', "/$name/x-status/200");
    is_deeply([map { $up->auth($_) } $up->received], [expects_auth($key)],
              $title);

    return;
}


# what the environment of a worker holds, as others may see it
sub lacks_environment {
    my ($gateway, $title) = @_;

    lacks_secrets(join('', map { slurp("/proc/$_/environ") }
                                $gateway->worker_pids), $title);

    return;
}


# how often a key is in the memory of a process; nothing where it may not be
# looked at
sub copies {
    my ($pid, $key) = @_;
    my $copies = 0;

    return if Katalo::Test::Tool::keeps_environment();

    open my $memory, '<:raw', "/proc/$pid/mem" or return;

    for (split /\n/, slurp("/proc/$pid/maps")) {
        no warnings qw(portable);
        my ($from, $to) = map { hex } /^([0-9a-f]+)-([0-9a-f]+) rw/ or next;
        next if $to - $from > LARGEST;

        sysseek $memory, $from, 0;
        sysread $memory, my $bytes, $to - $from or next;
        $copies += () = $bytes =~ /\Q$key\E/g;
    }

    return $copies;
}


my %content = (%key, line => "$key{line}\n", crlf => "$key{crlf}\r\n",
               longest => "$key{longest}\r\n");
my $gateway = Katalo::Test->new(
    upstream => $up, keys => { map { $_ => $content{$_} } keys %content },
    main => 'env KATALO_KEPT;', http => http(sort keys %key),
    env => { KATALO_KEY => $key{env}, KATALO_KEPT => "$key{kept}\n",
             CREDENTIALS_DIRECTORY => '' });
my $prefix = $gateway->prefix;

unlink "$prefix/keys/link";
symlink 'plain', "$prefix/keys/link";
mkdir "$prefix/keys/..data";
$gateway->set_key('..data/swapped', $key{swapped});
unlink "$prefix/keys/swapped";
symlink '..data/swapped', "$prefix/keys/swapped";
$gateway->{env}{CREDENTIALS_DIRECTORY} = "$prefix/keys";

$key{link} = $key{credential} = $key{plain};

$gateway->start;

for my $name (qw(line crlf env kept)) {
    my $copies = copies($gateway->worker_pids, $key{$name});

    SKIP: {
        skip 'the memory of a worker cannot be read', 1 if !defined $copies;
        is($copies, 1, "one copy of the key $name is in a worker's memory");
    }
}

my %title = (
    longest => 'the longest key, with a line end', long_id => 'a long id',
    shortest => 'the shortest key', signs => 'a key of signs',
    plain => 'a file without a line end', line => 'a file with one',
    crlf => 'a line end of Windows', relative => 'a path relative to conf',
    link => 'a symbolic link', swapped => 'a link through a directory',
    env => 'a variable', kept => 'a variable with a line end, kept by "env"',
    credential => 'a credential',
);

sends($gateway, $_, $key{$_}, $title{$_}) for sort keys %title;

my %seen = map { $_->{key} => $_ } @{ $gateway->status->{keys} };
is($seen{$_}{source}, $source{$_} =~ s/:.*//r, "the status knows $title{$_}")
    for qw(plain env credential);
is($seen{long_id}{ids}[0]{key_id}, 'i' x 501, 'a long id is shown whole');
is(scalar(grep { $_->{usable} } values %seen), scalar(keys %key),
   'all of them are usable');

lacks_environment($gateway, "no worker's environment holds a key");


# over reloads the environment is that of the start

for my $n (1, 2) {
    ok($gateway->reload(gone => 1), "reload $n succeeds");
    sends($gateway, 'env', $key{env}, "a variable over reload $n");
    sends($gateway, 'kept', $key{kept}, "a variable kept, over reload $n");
    lacks_environment($gateway, "no key in the environment after reload $n");
}

my $new = new_key('new');
$gateway->set_key(plain => $new);
ok($gateway->reload, 'a reload with another key in a file');
sends($gateway, 'plain', $new, 'the file is read again');
sends($gateway, 'link', $new, 'and the one that is linked');
sends($gateway, 'credential', $new, 'and the credential');

ok($gateway->reload(http => http('plain')), 'no variable is used for a while');
ok($gateway->reload(http => http('plain', 'kept', 'env')), 'and then it is');
sends($gateway, 'env', $key{env}, 'the variable has its value');
sends($gateway, 'kept', $key{kept}, 'and so has the one that is kept');

$gateway->mark_log;
$source{kept} = 'env:KATALO_UNSET';
ok(!$gateway->reload(http => http('plain', 'kept', 'env')),
   'a variable that was not there at the start is refused');
like_redacted($gateway->error_log,
              qr/"KATALO_UNSET" is not in the environment .* restart nginx/,
              'and the message says what to do');
sends($gateway, 'env', $key{env}, 'the running configuration stays');

lacks_secrets($gateway->error_log, 'the error log holds no key');
is($gateway->quit, 0, 'nginx leaves cleanly');


# a key that is not where it should be at a reload

my $other = Katalo::Test->new(upstream => $up, keys => { plain => $key{plain} },
                              http => http('plain'))->start;
my $broken = substr $key{plain}, 0, -1;

for my $case (['a broken file', sub { $other->set_key(plain => "$broken!") }],
              ['a missing one', sub { unlink $other->prefix . '/keys/plain' }])
{
    $case->[1]->();
    ok(!$other->reload, "$case->[0] is refused at a reload");
    sends($other, 'plain', $key{plain}, "with $case->[0] the key stays");
}

lacks_secrets($other->error_log, 'the error log holds no part of it');

done_testing();
