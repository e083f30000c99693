package Katalo::Fuzz::Oracle;

# What must hold on the side with the key, whatever the other one does.  Each
# failure is [signature, detail]; a signature tells classes apart.

use strict;
use warnings;

use Exporter qw(import);

use Katalo::Fuzz::Consumers qw(consumer_invariants);
use Katalo::Fuzz::Limits qw(limit_invariants);
use Katalo::Fuzz::Message qw(value);
use Katalo::Fuzz::Render qw(locations);
use Katalo::Fuzz::Trial;

our @EXPORT_OK = qw(invariants);


sub invariants {
    my ($case, $result, $keys) = @_;

    return (_deaths($result), _wire($result), _credentials($result, $keys),
            _cors($case, $result), _counts($result), _answers($case, $result),
            consumer_invariants($case, $result),
            limit_invariants($case, $result));
}


sub _deaths {
    my ($result) = @_;
    my (@failures, %lines);

    for my $side (grep { $result->{$_} } qw(b a)) {
        my $end = $result->{$side};
        my $where = $side eq 'a' ? '' : ' (without a key)';
        my $log = $end->{log} . ($end->{output} // '');

        if ($end->{report}) {
            push @failures, [_report($end->{report}) . $where, $end->{report}];

        } elsif ($result->{started}{$side} eq 'died'
                 || $result->{started}{$side} eq 'up' && $end->{exit} ne '0')
        {
            push @failures, ["exit $end->{exit}$where", $log];
        }

        if ($result->{started}{$side} eq 'up') {
            while ($log =~ /(\[(?:alert|emerg)\] .*)/g) {
                my $line = $1;
                my ($text) = $line =~ /\d: (?:\*\d+ )?(.*?)(?:, client|$)/;
                $text =~ s/"[^"]*"|\d+/*/g;

                # nginx has alerts of its own
                push @failures, ["log:$text", $line]
                    if $side eq 'a' && !$lines{$text};
                $lines{$text} = 1;
            }
        }
    }

    return @failures;
}


# The kind of a sanitizer's report, and the first function of nginx in it.
sub _report {
    my ($text) = @_;
    my ($kind) = $text =~ /AddressSanitizer:? ([\w-]+)/;
    my ($file) = $text =~ m{([^/\s]+:\d+):\d+: runtime error};
    my @frames = $text =~ /^\s*#\d+ \S+ in (\w+)/mg;
    my ($frame) = grep { /^ngx_/ && !/^ngx_(?:cpy|mem)/ } @frames;
    my ($module) = grep { /katalo|create_request|create_headers/ } @frames;

    return join ' ', 'asan:' . ($kind // $file // '?'), $frame // '?',
                     $module && $module ne ($frame // '') ? "< $module" : ();
}


sub _wire {
    my ($result) = @_;

    my @faults = grep { $_->{what} ne 'cut off' } @{ $result->{faults} };
    my $what = sub { $_[0]{what} =~ s/ \(kept\)$//r };
    my %other = map { $what->($_) => 1 } grep { $_->{side} eq 'b' } @faults;

    # nginx itself sends "$1" of a decoded path as it is, also where it keeps no
    # connection
    return map { ["wire:$_->{what}", "port $_->{port}: $_->{bytes}"] }
           grep { $_->{side} eq 'a' && !$other{ $what->($_) } } @faults;
}


sub _credentials {
    my ($result, $keys) = @_;
    my @failures;
    my $any = join '|', map { quotemeta } values %$keys;
    my %good = map { ("Bearer $_" => 1) } values %$keys;

    for my $record (grep { $_->{side} eq 'a' } @{ $result->{records} }) {
        my @values = value($record, 'Authorization');

        if ($record->{port} =~ /^[KL]$/) {
            push @failures, ['key:' . @values . ' Authorization',
                             $record->{raw}] if @values != 1;
            push @failures, ['key:not the key', $record->{raw}]
                if grep { !$good{$_} } @values;
            push @failures, ["key:the client's too", $record->{raw}]
                if $record->{raw} =~ /clientcred|Yjpj|YWxpY2U|Ym9iOn/;

        } elsif ($record->{raw} =~ /$any/) {
            push @failures, ["key:sent to port $record->{port}",
                             $record->{raw}];
        }
    }

    for my $answer (@{ $result->{answers} }) {
        my $client = $answer->{a} or next;
        my $text = join "\n", (map { @$_ } @{ $client->{headers} }),
                              $client->{body};
        push @failures, ['key:shown to the client', 'request ' . $answer->{id}]
            if $text =~ /$any/;
    }

    push @failures, ['key:in the error log', 'see the log']
        if $result->{a} && $result->{a}{log} =~ /$any/;

    return @failures;
}


sub _cors {
    my ($case, $result) = @_;
    my @locations = locations($case->{tree});
    my @failures;

    for my $answer (@{ $result->{answers} }) {
        my $client = $answer->{a} or next;
        my ($n) = value($client, 'X-Fz-Loc');
        my $location = $n && $locations[$n - 1] or next;

        next if !$location->{keyed} || $location->{env}{katalo_cors} eq 'pass';

        for my $message ($client, @{ $client->{interim} // [] }) {
            push @failures, ["cors:$_->[0]", "request $answer->{id}"]
                for grep { $_->[0] =~ /^access-control-/i }
                         @{ $message->{headers} };
        }
    }

    for my $answer (@{ $result->{answers} }) {
        my $client = $answer->{a} or next;
        my @names = value($client, 'X-Katalo-Gateway');

        push @failures, ['refusal:X-Katalo-Gateway sent twice',
                         "request $answer->{id}: @names"] if @names > 1;
        push @failures, ["refusal:status $client->{status}",
                         "request $answer->{id}: @names"]
            if @names && $client->{status} < 300
               && $client->{body} =~ /"retryable"/
               && !grep { /=200 / } _lines($case->{tree});
    }

    return @failures;
}


# An "error_page ... =200" asks for it.
sub _lines { return map { ref ? _lines($_) : $_ } @{ $_[0] } }


# What the status says, when all is quiet.
sub _counts {
    my ($result) = @_;
    my @failures;
    my $status = $result->{status} or return;

    # an upstream waits for what does not come: nobody knows what is sent
    return if grep { ($_->{why_b} // '') eq 'hang' } @{ $result->{answers} };

    my %sent;

    for my $record (grep { $_->{side} eq 'a' } @{ $result->{records} }) {
        $sent{$1}++ if join(' ', value($record, 'Authorization'))
                       =~ /kat_live_([\w-]+)\./;
    }

    for my $key (@{ $status->{keys} }) {
        push @failures, ['counts:in flight', "$key->{key}: $key->{in_flight}"]
            if $key->{in_flight};

        for my $id (@{ $key->{ids} }) {
            my $total = $id->{requests}{total} // 0;
            my %responses = %{ $id->{responses} // {} };
            my $sum = 0;

            $sum += $_ for values %responses;
            push @failures, ['counts:requests are not responses',
                             "$key->{key}: $total, $sum"] if $total != $sum;

            my $received = $sent{ $id->{key_id} } // 0;

            push @failures, ['counts:requests are not what was sent',
                             "$key->{key}: $total, $received"]
                if $received > $total + ($id->{retries} // 0)
                   || $received < $total && !$responses{none}
                      && !$id->{retries};
        }
    }

    return @failures;
}


# A filter of nginx that ends a cached response with 412 or 416 leaves the
# connection without an answer to its next request; the other side is not asked
# what was refused.
sub _answers {
    my ($case, $result) = @_;

    return if grep({ /^error_page .*\b41[26]\b/ } _lines($case->{tree}))
              && grep { Katalo::Fuzz::Trial::refused($_->{a}) }
                      @{ $result->{answers} };

    return map { ["client:$_->{why_a}", "request $_->{id}"] }
           grep { defined $_->{why_a} && $_->{why_a} ne 'closed'
                  && ($_->{why_b} // '') ne $_->{why_a} }
           @{ $result->{answers} };
}

1;
