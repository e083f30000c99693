package Katalo::Demo;

# What `make demo` shows and checks, step by step.

use strict;
use warnings;

use parent qw(Katalo::Demo::Narrator);

use FindBin;
use JSON::PP;
use Time::HiRes qw(sleep);

use Katalo::Demo::Image qw(png);
use Katalo::Test qw(:all);
use Katalo::Upstream qw(expects_auth);

use constant PACE => 700;


sub new {
    my ($class, %option) = @_;
    my $key = new_key('demo' . int rand 1e4);
    my ($id) = $key =~ /^kat_live_(.*)\./;

    $| = 1;

    my $up = Katalo::Upstream->new(keys => [$key], pace => PACE,
                                   limits => $option{limits});
    my $gateway = Katalo::Test->new(
        upstream => $up, keys => { production => $key }, workers => 2,
        conf => $class->_template)->start;

    $gateway->write_file('room.png', png(320, 240));

    print "The stand-in of the Katalo API listens on 127.0.0.1:",
          $up->port, ",\n  its certificate is for *.katalo.ai, from a CA made",
          " just now.\nnginx ", nginx_version(), " is the gateway on ",
          $gateway->url('/katalo/'), ",\n  configured by t/demo.conf. Its key",
          " \"production\" has the id $id.\n";

    return bless { gateway => $gateway, up => $up, key => $key, id => $id,
                   failed => 0, made => {}, tag => "demo-$$" }, $class;
}


sub _template {
    my $path = "$FindBin::Bin/demo.conf";

    open my $file, '<', $path or die "$path: $!\n";
    local $/;

    return scalar <$file>;
}


sub show {
    my ($self) = @_;

    $self->_flow;
    $self->_arrival;
    $self->_refusals;
    $self->_credentials;
    $self->_cors;
    $self->_limits;
    $self->_counts;
    $self->_log;

    print $self->{failed} ? "\n$self->{failed} checks failed\n"
                          : "\nall as it should be\n";

    return $self->{failed} ? 1 : 0;
}


sub stay {
    my ($self) = @_;
    my ($gateway, $shown) = ($self->{gateway}, 0);

    local $SIG{INT} = sub { print "\n"; exit 0 };

    print "\nTo try, from another terminal (the client has no key):\n",
          map { "  $_\n" }
          $self->_line('usage/summary'), $self->_line('billing/events'),
          $self->_line('source-assets', $self->_upload_arguments),
          $self->_line('usage/summary', -H => 'Origin: https://a.example'),
          'curl ' . $gateway->url('/status');
    print "\nThe key's uses, as they come; Ctrl-C ends it all:\n";

    while ($gateway->is_running) {
        my $log = substr $gateway->access_log, $shown;
        $shown += length $log;
        print $log;
        sleep 0.2;
    }

    die "nginx is gone\n";
}


sub _flow {
    my ($self) = @_;

    $self->_title('The documented flow; the client has no key');

    my $source = $self->_call('create', 'source-assets', 202,
                              $self->_upload_arguments);
    my $ready = $self->_poll("source-assets/$source->{ingest_id}", 'ready');

    my $job = $self->_call('create', 'generations', 202, $self->_write(
        'generation', qq({"source_asset_id":"$ready->{source_asset_id}",)
                      . '"workflow":"staging"}'));
    my $done = $self->_poll("generations/$job->{job_id}", 'succeeded');
    $self->_check(@{ $done->{outputs} } == 1, 'it has an output');

    my $again = $self->_call('regenerate',
                             "generations/$job->{job_id}/regenerate", 202,
                             $self->_write('again', '{}'));
    $self->_check($again->{job_id} ne $job->{job_id}, 'it is another job');

    my $usage = $self->_call('usage', 'usage/summary', 200);
    $self->_check($usage->{jobs}{total} == 2, 'two jobs are counted');

    my $events = $self->_call('billing', 'billing/events?limit=100', 200);
    $self->_check(@{ $events->{events} } == 2, 'two events are billed');
}


sub _arrival {
    my ($self) = @_;
    my @records = $self->{up}->received;
    my $expected = expects_auth($self->{key});
    my $exact = grep { join(' ', $self->{up}->auth($_)) eq $expected }
                     @records;
    my %connections = map { $_->{connection} => 1 } @records;

    $self->_title('What arrived upstream');
    printf "  %d requests over %d TLS connections\n", scalar @records,
           scalar keys %connections;
    $self->_check($exact == @records && @records == $self->_sum,
                  'each with exactly one Authorization: the key');
    $self->_check(!(grep { $_->{sni} ne 'app.katalo.ai' } @records),
                  'each to app.katalo.ai by the TLS handshake');
}


sub _refusals {
    my ($self) = @_;

    $self->{up}->clear;

    $self->_title('A browser asks beforehand: refused');
    $self->_refused('preflight', -X => 'OPTIONS',
                    -H => 'Origin: https://shop.example',
                    -H => 'Access-Control-Request-Method: POST');

    $self->_title('A browser calls: refused');
    $self->_refused('browser', -H => 'Origin: https://shop.example',
                    -H => 'Sec-Fetch-Site: cross-site');

    $self->_check($self->{up}->received == 0, 'nothing went upstream');
}


sub _refused {
    my ($self, $decision, @arguments) = @_;
    my $response = $self->_curl('usage/summary', @arguments);

    $self->_check($response->status == 403, 'it gets 403');
    $self->_check(($response->header('X-Katalo-Gateway') // '') eq $decision,
                  "X-Katalo-Gateway: $decision");
    $self->{refused}{$decision}++;
}


sub _credentials {
    my ($self) = @_;
    my $leaked = new_key('leaked');

    $self->_title('A client brings credentials: it may pass, they do not');
    $self->_call('usage', 'usage/summary', 200,
                 -H => "Authorization: Bearer $leaked",
                 -H => 'Cookie: session=4711');

    my ($record) = $self->{up}->received(1);
    $self->_check(join(' ', $self->{up}->auth($record))
                  eq expects_auth($self->{key}),
                  'upstream sees the key, not what the client brought');
    $self->_check(!$self->{up}->values($record, 'Cookie'),
                  'and no cookie');
}


sub _cors {
    my ($self) = @_;

    $self->_title('An answer would let any page read it');

    my $response = $self->_curl('usage/summary?x-cors=*');
    $self->{made}{usage}++;
    $self->_check(!(grep { /^access-control-/ } $response->header_names),
                  'no Access-Control-* leaves the gateway');
}


# The requests above were as many as the stand-in allows.
sub _limits {
    my ($self) = @_;

    $self->_title("Katalo's limit is reached: the gateway waits");

    my $response = $self->_curl('usage/summary');
    $self->{made}{usage}++;
    $self->_check($response->status == 429 && $response->json->{error}{code}
                  eq 'rate_limited', "Katalo's 429 passes");

    wait_until(sub { $self->{gateway}->status->{keys}[0]{cooldown}{usage} });
    $self->{up}->clear;

    $response = $self->_curl('billing/events');
    $self->{refused}{cooldown}++;
    $self->_check(($response->header('X-Katalo-Gateway') // '') eq 'cooldown',
                  'X-Katalo-Gateway: cooldown');
    $self->_check(($response->header('Retry-After') // 0) > 0,
                  'Retry-After: ' . $response->header('Retry-After'));
    $self->_check($self->{up}->received == 0, 'nothing went upstream');
}


sub _counts {
    my ($self) = @_;
    my ($key, $id, $status);

    $self->_title("The key's counts, from katalo_status");

    # a request is counted as ended a moment after its client has the answer
    wait_until(sub {
        $status = $self->{gateway}->status;
        ($key) = grep { $_->{key} eq 'production' } @{ $status->{keys} };
        ($id) = grep { $_->{key_id} eq $self->{id} } @{ $key->{ids} };
        return $key->{in_flight} == 0;
    });

    print '  $ curl ', $self->{gateway}->url('/status'), "\n";
    print JSON::PP->new->canonical->indent->encode(_without_zeros($key));

    for my $operation (sort keys %{ $self->{made} }) {
        $self->_equal($id->{requests}{$operation},
                      $self->{made}{$operation}, $operation);
    }

    $self->_equal($id->{requests}{total}, $self->_sum, 'all requests');
    $self->_equal($id->{responses}{202}, 3, 'answers 202');
    $self->_equal($id->{responses}{429}, 1, 'answers 429');
    $self->_equal($id->{responses}{200}, $self->_sum - 4, 'answers 200');
    $self->_equal($key->{denied}{$_}, $self->{refused}{$_}, "refused: $_")
        for sort keys %{ $self->{refused} };
    $self->_equal($key->{client_credentials}{stripped}, 1,
                  'credentials stripped');
    $self->_equal($key->{client_credentials}{katalo_key}, 1,
                  "Katalo's keys among them");
}


# Too much to read: what is zero, and the histogram.
sub _without_zeros {
    my ($value) = @_;

    return [map { _without_zeros($_) } @$value] if ref $value eq 'ARRAY';
    return $value if ref $value ne 'HASH';

    return { map { $_ => _without_zeros($value->{$_}) }
             grep { $_ ne 'buckets' && ($value->{$_} // 0) ne '0' }
             keys %$value };
}


sub _log {
    my ($self) = @_;
    my $gateway = $self->{gateway};

    $self->_title('The access log');

    # a line is written a moment after the request is counted, by its worker
    my @lines;
    wait_until(sub {
        @lines = grep { m{/katalo/} } split /\n/, $gateway->access_log;
        return @lines >= $self->_sum + 3;
    });
    print map { "  $_\n" } @lines;

    my $named = grep { /key=production id=\Q$self->{id}\E operation=\w+/ }
                     @lines;
    $self->_equal(scalar @lines, $self->_sum + 3, 'lines');
    $self->_equal($named, scalar @lines, 'of them with key, id, operation');
    $self->_equal(scalar(grep { /decision=attached$/ } @lines), $self->_sum,
                  'of them attached');

    my $secret = (split /\./, $self->{key})[1];
    $self->_check(index($gateway->access_log . $gateway->error_log,
                        $secret) < 0, 'the key is in no log');
}

1;
