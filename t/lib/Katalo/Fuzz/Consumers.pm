package Katalo::Fuzz::Consumers;

# What must hold of consumers: no key without a name, names that are the
# client's, counts that add up, and what "nginx -t" warns of.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json encode_json);

use Katalo::Fuzz::Identity qw(name_of proven);
use Katalo::Fuzz::Message qw(value);
use Katalo::Fuzz::Render qw(blocks directives locations);

our @EXPORT_OK = qw(consumer_invariants at);

my %warnings = (
    missing => qr/"katalo_bearer" without "katalo_consumer"/,
    user => qr/any client can choose "\$remote_user"/,
    chosen => qr/any client can choose "\$(?!remote_user|ssl_client)/,
    certificate => qr/"\$ssl_client_s_dn" in "katalo_consumer" is always emp/);

# by which a request has others in further locations, whose consumer is its own
my $subrequests = qr/"(?:mirror|auth_request) /;


sub consumer_invariants {
    my ($case, $result) = @_;

    return if $result->{started}{a} ne 'up';
    return (_warnings($case, $result), _keys($case, $result),
            _refusals($case, $result), _sums($case, $result),
            _log($result));
}


# What a request to the upstream says of itself: id, number of its location,
# operation, consumer; or nothing.
sub at {
    my ($record) = @_;
    my ($text) = value($record, 'X-Fz-At') or return;
    my ($id, $n, $operation, $consumer)
        = $text =~ m{^(\d*)\|.*/html/(\d+)\|(\w*)\|(.*)$}s or return;

    return { id => $id || 0, n => $n, operation => $operation,
             consumer => $consumer };
}


sub _warnings {
    my ($case, $result) = @_;
    my @expected = _expected($case->{tree});
    my %expected = map { $_ => 1 } @expected;
    my $log = $result->{a}{log} . $result->{a}{output};
    my $missing = grep { $_ eq 'missing' } @expected;
    my $told = $log =~ /$warnings{missing}(?: \(and in (\d+) more)?/
               ? 1 + ($1 // 0) : 0;

    return ['warning:missing in ' . ($told - $missing) . ' more', $log]
        if $told && $missing && $told != $missing;

    return map { ["warning:$_ " . ($expected{$_} ? 'missing' : 'too many'),
                  join '', grep { /\[warn\]/ } map { "$_\n" }
                           split /\n/, $log] }
           grep { ($log =~ $warnings{$_} ? 1 : 0) != ($expected{$_} // 0) }
           sort keys %warnings;
}


sub _expected {
    my ($tree) = @_;
    my @found;

    for my $block (grep { $_->{keyed} } blocks($tree)) {
        my $env = $block->{env};
        my $consumer = $env->{katalo_consumer};

        if (!defined $consumer) {
            push @found, 'missing' if $block->{head} =~ /^location/
                                      || $block->{own}{katalo_bearer};
            next;
        }

        push @found, 'chosen'
            if $consumer =~ /\$(?:http_|arg_|cookie_|host|uri|1)/;
        push @found, 'certificate' if $consumer eq '$ssl_client_s_dn';
        push @found, 'user' if $consumer =~ /\$remote_user/ && !_basic($env);
    }

    return @found;
}


# Is the password of each client asked for?
sub _basic {
    my ($env) = @_;

    return ($env->{auth_basic} // 'off') eq 'g'
           && $env->{auth_basic_user_file} && $env->{satisfy} eq 'all';
}


sub _keys {
    my ($case, $result) = @_;
    my @locations = locations($case->{tree});
    my $tree = encode_json($case->{tree});
    my @failures;

    for my $record (grep { $_->{side} eq 'a' && $_->{port} =~ /^[KL]$/ }
                         @{ $result->{records} })
    {
        my $at = at($record) or next;
        my $env = $locations[$at->{n} - 1]{env};
        my $asked = $env->{katalo_consumer};
        my $request = $case->{requests}[$at->{id} - 1];
        my $names = $asked && $asked ne 'off';
        my $alone = $tree !~ $subrequests
                    && !grep { /ssi=/ } value($record, 'X-Fz-Do');
        my @known = map { scalar name_of($_, $request) }
                        $alone ? ($asked // 'off') : _asked($case->{tree});

        push @failures, ['consumer:a key and no name', $record->{raw}]
            if $names && !length $at->{consumer};
        push @failures, ['consumer:a name where none is asked for',
                         $record->{raw}]
            if length $at->{consumer}
               && ($alone ? !$names : ($asked // '') eq 'off');
        push @failures, ["consumer:not the client's name", $record->{raw}]
            if $names && !grep { !defined || $_ eq $at->{consumer} } @known;
        push @failures, ['consumer:no password', $record->{raw}]
            if $alone && $names && $asked eq '$remote_user' && _basic($env)
               && !$locations[$at->{n} - 1]{ifs} && !proven($request);
    }

    return @failures;
}


sub _asked {
    my ($tree) = @_;

    return grep { $_ ne 'off' } directives($tree, 'katalo_consumer');
}


# Whoever has a name is not refused for want of one.
sub _refusals {
    my ($case, $result) = @_;
    my @locations = locations($case->{tree});
    my @failures;

    for my $answer (@{ $result->{answers} }) {
        my $client = $answer->{a} or next;
        my ($n) = value($client, 'X-Fz-Loc') or next;

        next if join(' ', value($client, 'X-Katalo-Gateway')) ne 'consumer'
                || $client->{body} !~ /"retryable":false/;

        my $asked = $locations[$n - 1]{env}{katalo_consumer} // 'off';
        my $name = $asked eq 'off' ? 'any'
                   : name_of($asked, $case->{requests}[$answer->{id} - 1]);

        push @failures, ['consumer:refused with a name',
                         "request $answer->{id}"] if length($name // '');
    }

    return @failures;
}


# By operation, and by class of status.
sub _add {
    my ($sums, $counts, $sign) = @_;

    for (keys %{ $counts->{requests} // {} }) {
        $sums->{$_} += $sign * $counts->{requests}{$_};
    }

    for (keys %{ $counts->{responses} // {} }) {
        my $class = /^(\d)\d\d$/ && $_ ne '429' ? "${1}xx" : $_;
        $sums->{$class} += $sign * $counts->{responses}{$_};
    }

    return;
}


sub _off {
    my ($what, $sums) = @_;
    my @off = grep { $sums->{$_} } sort keys %$sums;

    return @off ? ["counts:$what", join ', ', map { "$_ $sums->{$_}" } @off]
                : ();
}


sub _sums {
    my ($case, $result) = @_;
    my $status = $result->{status} or return;
    my ($zone) = map { /consumers=(\d+)/ ? $1 : () }
                     directives($case->{tree}, 'katalo_zone');
    my $named = grep { $_->{consumer} =~ /^(?!\*?$)/ }
                map { @{ $_->{consumers} } } @{ $status->{keys} };
    my @failures;

    # one may have given way
    return if $named >= ($zone // 256);

    for my $key (@{ $status->{keys} }) {
        my %sums;

        _add(\%sums, $_, 1) for @{ $key->{ids} };
        _add(\%sums, $_, -1) for @{ $key->{consumers} };
        push @failures, _off('consumers are not ids', \%sums);
    }

    return (@failures, _named($result, $status));
}


# Names, where all that was sent tells its own.
sub _named {
    my ($result, $status) = @_;
    my %sums;

    for my $record (grep { $_->{side} eq 'a' && $_->{port} =~ /^[KL]$/ }
                         @{ $result->{records} })
    {
        my $at = at($record) or return;
        utf8::decode(my $name = $at->{consumer});
        $sums{$name}++;
    }

    # the upstream may wait for the rest of a request in flight

    for my $key (@{ $status->{keys} }) {
        return if $key->{in_flight};
        return if grep { $_->{retries} || $_->{responses}{none} }
                       @{ $key->{ids} };
        $sums{ $_->{consumer} } -= $_->{requests}{total}
            for @{ $key->{consumers} };
    }

    return _off('names are not what was sent', \%sums);
}


# Lines of consumers have what those of ids have, also if one gave way.
sub _log {
    my ($result) = @_;
    my (%sums, %seen);

    return if $result->{a}{exit} ne '0' || !length $result->{a}{usage};

    for (split /\n/, $result->{a}{usage}) {
        my $line = eval { decode_json($_) }
            or return ['counts:no line of the usage log', $_];

        next if $seen{ $line->{id} }++;
        _add($sums{ $line->{key} } //= {}, $line->{delta},
             defined $line->{consumer} ? -1 : 1);
    }

    # the last line has what the status had
    for my $key (@{ $result->{status} ? $result->{status}{keys} : [] }) {
        my %left;
        my $sums = $sums{ $key->{key} } // {};

        return _off('lines of consumers are not those of ids', $sums)
            if grep { $_ } values %$sums;

        _add(\%left, $_, 1) for @{ $key->{ids} };
        _add(\%left, $_->{delta}, -1)
            for grep { $_->{key} eq $key->{key} && !defined $_->{consumer} }
                map { decode_json($_) } split /\n/, $result->{a}{usage};

        return _off('the usage log is not the status', \%left)
            if grep { $_ } values %left;
    }

    return;
}

1;
