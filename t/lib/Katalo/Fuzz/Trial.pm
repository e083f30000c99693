package Katalo::Fuzz::Trial;

# Runs one case, a hash of a tree and requests, on both sides, and gathers what
# is to be judged.

use strict;
use warnings;

use File::Temp;

use Katalo::Fuzz::Client;
use Katalo::Fuzz::Gateway;
use Katalo::Fuzz::Loop;
use Katalo::Fuzz::Render qw(render);
use Katalo::Fuzz::Requests qw(bytes);
use Katalo::Fuzz::Upstream;
use Katalo::Test::Certificates qw(certificate);
use Katalo::Test::Port qw(free_port);
use Katalo::Test::Secrets qw(new_key);
use JSON::PP qw(decode_json);

# seconds; a machine that is busy may take longer, see patience()
use constant TIMEOUT => 3;


sub new {
    my ($class, $nginx) = @_;
    my $loop = Katalo::Fuzz::Loop->new;
    my $directory = File::Temp->newdir('katalo-fuzz-XXXXXX', TMPDIR => 1);

    my $self = bless {
        loop => $loop, directory => $directory,
        upstream => Katalo::Fuzz::Upstream->new($loop),
        keys => { prod => new_key('prod1'), stage => new_key('stage22') },
        patience => 1,
    }, $class;

    for my $side (qw(a b)) {
        $self->{$side} = Katalo::Fuzz::Gateway->new(
            directory => "$directory/$side", port => free_port(),
            nginx => $nginx);
    }

    return $self;
}


sub keys_of { return $_[0]{keys} }


# How many times longer than usual everything may take.
sub patience {
    my ($self, $times) = @_;

    $self->{patience} = $times;

    return;
}


sub _settle {
    my ($self, $quiet, $limit) = @_;

    return $self->{loop}->settle(map { $_ * $self->{patience} }
                                     $quiet, $limit);
}


sub config {
    my ($self, $case, $side) = @_;

    return render(side => $side, tree => $case->{tree}, keys => $self->{keys},
                  ports => $self->{upstream}->ports($side),
                  directory => "$self->{directory}/$side",
                  ca => certificate('ca'), base => $self->{$side}{port});
}


# started (a hash of sides), answers (one for each request: a hash of sides),
# records, faults, status (decoded), ready (a response), and for each side log,
# report, usage (log), exit.
sub run {
    my ($self, $case) = @_;
    my %result = (answers => [], started => {});

    $self->{upstream}->reset;

    $self->{$_}->launch($self->config($case, $_), $self->{keys}) for qw(a b);
    $result{started}{$_} = $self->{$_}->wait_up for qw(a b);

    if ($result{started}{a} eq 'up' && $result{started}{b} eq 'up') {
        $self->_ask($case, \%result);
    }

    $result{records} = [$self->{upstream}->records];
    $result{faults} = [$self->{upstream}->faults];

    for my $side (qw(a b)) {
        my $gateway = $self->{$side};
        my $exit = $gateway->stop;

        $result{$side} = { exit => $exit, log => $gateway->error_log,
                           report => $gateway->reports,
                           usage => $gateway->usage_log,
                           output => $gateway->output };
    }

    return \%result;
}


sub _ask {
    my ($self, $case, $result) = @_;
    my %client = map { $_ => Katalo::Fuzz::Client->new($self->{loop},
                                                       $self->{$_}{port}) }
                     qw(a b);
    my $n = 0;

    for my $request (@{ $case->{requests} }) {
        my %answer = (id => ++$n);
        my $bytes = bytes($request, $n);

        for my $side (qw(a b)) {
            my ($response, $why) = $client{$side}->ask($bytes,
                                       $request->{method},
                                       TIMEOUT * $self->{patience});
            $answer{$side} = $response;
            $answer{"why_$side"} = $why;

            last if $side eq 'a' && refused($response);
        }

        push @{ $result->{answers} }, \%answer;

        # what goes on without the client: mirrors, updates of a cache
        $self->_settle(0.003, 1);
        $self->{loop}->run(sub { $self->{upstream}->is_even },
                           0.2 * $self->{patience}) if $answer{b};

        last if !$self->{a}->is_running || !$self->{b}->is_running
                || grep { ($answer{"why_$_"} // '') eq 'hang' } qw(a b);
    }

    $self->_settle(0.02, 1);
    $client{$_}->drop for qw(a b);

    # a mirror may still be under way
    for (1 .. 20) {
        my $status = $self->_page('status') or last;

        $result->{status} = eval { decode_json($status->{body}) } or last;
        $result->{ready} = $self->_page('ready');
        last if !grep { $_->{in_flight} } @{ $result->{status}{keys} };
        $self->_settle(0.1, 0.2);
    }

    return;
}


sub _page {
    my ($self, $name) = @_;
    my $client = Katalo::Fuzz::Client->new($self->{loop}, $self->{a}{port});
    my ($page) = $client->ask("GET /fz-$name HTTP/1.1\r\nHost: s\r\n"
                              . "Connection: close\r\n\r\n", 'GET',
                              TIMEOUT * $self->{patience});

    $client->drop;

    return $page;
}


# A refusal by the module.
sub refused {
    my ($response) = @_;

    return $response && scalar grep { lc $_->[0] eq 'x-katalo-gateway' }
                                    @{ $response->{headers} };
}

1;
