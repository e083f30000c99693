#!/usr/bin/perl

# A line of the usage log that stays pending keeps the place of its consumer
# only, also when there is no usage log any more.

use strict;
use warnings;

use Fcntl qw(O_RDWR O_NONBLOCK);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Select;
use POSIX qw(mkfifo);
use Test::More;

use Katalo::Test qw(:all);
use Katalo::Upstream;

# a pipe of a single page has room for one line
use constant F_SETPIPE_SZ => 1031;

my $up = Katalo::Upstream->new;
my $pipe = tempdir(CLEANUP => 1) . '/usage';

mkfifo($pipe, 0600) or die "$pipe: $!\n";
sysopen my $reader, $pipe, O_RDWR | O_NONBLOCK or die "$pipe: $!\n";
fcntl $reader, F_SETPIPE_SZ, 4096 or die "F_SETPIPE_SZ: $!\n";


sub http {
    my ($log) = @_;

    return gateway_http(http => <<"EOC", server => <<'EOS');
    katalo_zone 1m consumers=3;
    $log
    map \$http_x_user \$user { default \$http_x_user; }
EOC
        katalo_consumer $user;
EOS
}


my $gateway = Katalo::Test->new(
    upstream => $up, keys => { production => new_key() },
    http => http("katalo_usage_log $pipe interval=1s;"))->start;


sub ask {
    my ($user) = @_;

    return $gateway->request('GET', '/katalo/usage/summary',
                             headers => ["X-User: $user"])->status;
}


sub consumers {
    my ($data) = @{ $gateway->settled_status->{keys} };

    return { map { $_->{consumer} => $_->{requests}{total} }
                 @{ $data->{consumers} } };
}


is(ask($_), 200, "a request of $_") for qw(alice bob carol);
ok(wait_until(sub { IO::Select->new($reader)->can_read(0) }),
   'one line has room');

$gateway->reload(http => http(''), gone => 1);

is(ask($_), 200, "a request of $_") for qw(dave eve frank grace);

my $consumers = consumers();
is($consumers->{grace}, 1, 'the latest consumer has a place');
ok(!exists $consumers->{'*'}, 'as all had');

done_testing();
