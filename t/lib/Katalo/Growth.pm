package Katalo::Growth;

# A gateway with many keys, and what they cost.
#
#   my $gateway = growth_gateway(10_000, workers => 1);
#   my $http = growth_http($gateway, 10_000, check => '1s',
#                          http => 'further lines of http{}');
#   ask($gateway, map { "key$_" } 1 .. 10_000);
#
# The keys are key1, key2, ... with the ids id1, id2, ...; each has a file that
# is looked at each 5 seconds unless check is given.  The zone is as large as
# nginx -t says ($gateway->{zone}, kilobytes).  "ask" makes one request with
# each named key; the upstream is a server of the same nginx.  What else new()
# of Katalo::Test takes is handed on.
#
#   my ($result, $seconds) = timed(sub { ... });
#   my $held = held($gateway, sub { ... });
#
# "held" is what a gateway started with held => 1 says of its workers while the
# sub runs: seconds of that, turns of the event loop, looks at files, bytes that
# are written, and milliseconds of processor time (total); of the latter three,
# most_looks, most_written and longest are those of one turn.  The sub may call
# its argument for the same as far as it goes.  t/growth/held.c is preloaded for
# that.
#
#   my $held = held($gateway, sub { ... }, start => sub { ... });
#
# Here a first sub starts the workers, and they count from then on; a turn has
# its own clock.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(dirname);
use File::Temp;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use Katalo::Test qw(new_key wait_until);

our @EXPORT_OK = qw(growth_gateway growth_http ask timed held);

use constant PIPELINED => 50;

my $source = dirname(__FILE__) . '/../../growth/held.c';


sub growth_http {
    my ($gateway, $n, %option) = @_;
    my $check = $option{check} ? " check=$option{check}" : '';
    my $keys = join "\n", map { "katalo_key key$_ file:%KEY:key$_%$check;" }
                              1 .. $n;
    my $lines = $option{http} // '';

    $lines .= " katalo_zone $gateway->{zone}k;" if $gateway->{zone};

    return <<"EOC";
    $keys
    $lines
    access_log off;
    upstream app.katalo.ai { server 127.0.0.1:%TLS_PORT%; keepalive 8; }
    upstream unverified { server 127.0.0.1:%TLS_PORT%; keepalive 8; }
    proxy_ssl_trusted_certificate %CA%;
    proxy_set_header Connection "";
    proxy_http_version 1.1;
    server {
        listen 127.0.0.1:%TLS_PORT% ssl;
        ssl_certificate %CERT%;
        ssl_certificate_key %CERT_KEY%;
        keepalive_requests 1000000;
        location / { return 200; }
    }
    server {
        listen 127.0.0.1:%PORT%;
        keepalive_requests 1000000;
        location /katalo/ {
            katalo_bearer \$arg_key;
            proxy_pass https://app.katalo.ai/api/v1/;
        }
        location /plain/ { proxy_pass https://unverified/api/v1/; }
        location = /status { katalo_status; }
        location = /other { return 204; }
    }
EOC
}


sub growth_gateway {
    my ($n, %option) = @_;
    my $dir = $option{held} ? File::Temp->newdir : undef;
    my $gateway = Katalo::Test->new(
        %option, held => $dir, env => { $dir ? _preload($dir) : () },
        keys => { map { ("key$_" => new_key("id$_")) } 1 .. $n });

    $gateway->{zone} = _zone($gateway, $n);
    $gateway->{http} = growth_http($gateway, $n, %option);

    return $gateway;
}


# What nginx -t asks for where the default is too small.
sub _zone {
    my ($gateway, $n) = @_;
    my ($code, $output) = $gateway->test_config(growth_http($gateway, $n));

    return 1024 if $code == 0;
    return $output =~ /set "katalo_zone (\d+)k" or more/
           ? $1 : die "nginx -t fails, but not for the zone\n";
}


sub ask {
    my ($gateway, @keys) = @_;
    my $client = $gateway->connection(timeout => 60);

    while (my @some = splice @keys, 0, PIPELINED) {
        $client->write(join '', map {
            "GET /katalo/usage/summary?key=$_ HTTP/1.1\r\nHost: a\r\n\r\n"
        } @some);

        for my $key (@some) {
            my $status = $client->read_response('GET')->status;
            die "a request with $key is answered $status\n" if $status != 200;
        }
    }

    return;
}


sub now { return clock_gettime(CLOCK_MONOTONIC) }


sub timed {
    my ($code) = @_;
    my $start = now();
    my $result = $code->();

    return ($result, now() - $start);
}


sub held {
    my ($gateway, $code, %option) = @_;
    my $paced = "$gateway->{held}/paced";
    my $begun = now();

    if ($option{start}) {
        open my $file, '>', $paced or die "$paced: $!\n";
        $option{start}->();
    }

    my @files = map { _file("$gateway->{held}/$_") } $gateway->worker_pids;

    if ($option{start}) {
        unlink $paced;

    } else {
        syswrite $_, pack 'Q8', (0) x 8 for @files;
        $begun = now();
    }

    $code->(sub { _held(@files) });

    return { %{ _held(@files) }, seconds => now() - $begun };
}


# A worker makes its file when it first waits for something.
sub _file {
    my ($path) = @_;

    wait_until(sub { (-s $path // 0) == 64 });
    open my $file, '+<:raw', $path or die "$path: $!\n";

    return $file;
}


sub _held {
    my @files = @_;
    my @names = qw(turns total longest looks most_looks written most_written);
    my %held = map { $_ => 0 } @names;

    for my $file (@files) {
        sysseek $file, 0, 0;
        sysread($file, my $bytes, 56) == 56 or die "held: $!\n";

        my %one;
        @one{@names} = unpack 'Q7', $bytes;
        $_ /= 1e6 for @one{qw(total longest)};

        for (@names) {
            $held{$_} = !/most|longest/ ? $held{$_} + $one{$_}
                        : $one{$_} > $held{$_} ? $one{$_} : $held{$_};
        }
    }

    return \%held;
}


sub _preload {
    my ($dir) = @_;

    system('cc', qw(-O2 -shared -fPIC -o), "$dir/held.so", $source, '-ldl') == 0
        or die "$source is not compiled\n";

    return (LD_PRELOAD => "$dir/held.so", KATALO_HELD => "$dir");
}

1;
