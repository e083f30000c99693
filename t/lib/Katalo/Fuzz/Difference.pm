package Katalo::Fuzz::Difference;

# What differs between the sides and must not.  A request that the module
# refuses is not sent to the other side; what its variables yield is masked.

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;

use Katalo::Fuzz::Message qw(value);
use Katalo::Fuzz::Trial;

our @EXPORT_OK = qw(differences);

# requests to upstreams for one of a client
use constant MANY => 16;

my %yields = (
    katalo_key => '(?:prod|stage|)', katalo_key_id => '(?:prod1|stage22|)',
    katalo_operation => '[a-z_]*', katalo_decision => '(?:attached|)',
    katalo_requests => '[0-9]*', katalo_consumer => '.*?');

# what may differ in an answer, or in what is sent
my $ignored = qr/^(?:Date|Connection|Content-Length|Transfer-Encoding
                     |Authorization|X-Fz-At)$/xi;


sub differences {
    my ($case, $result, $keys, $ports) = @_;
    my (%sent, @failures);
    my $any = join '|', map { quotemeta } values %$keys;

    return if $result->{a}{report} || $result->{b}{report};

    push @{ $sent{ $_->{side} }{ join ' ', value($_, 'X-Fz-Id') } }, $_
        for @{ $result->{records} };

    for my $answer (@{ $result->{answers} }) {
        my ($x, $y) = map { $sent{$_}{ $answer->{id} } // [] } qw(a b);

        if (Katalo::Fuzz::Trial::refused($answer->{a})) {
            # a redirect may have come before the refusal: caches may differ
            last if @$x;
            next;
        }

        last if !$answer->{b} && !$answer->{a};

        # the literal goes where the key must not
        last if grep { $_->{port} !~ /^[KL]$/ && $_->{raw} =~ /$any/ } @$y;

        last if _empty_bearer($y) || _late($case, $answer)
                || _no_key($case, $answer) || _chained($case, $answer);

        my @found = _compare($case, $answer, $x, $y, $ports);

        push @failures, @found;
        last if @found;
    }

    if (_hidden($result)) {
        # an error_page may have led it anywhere
        return if _has($case, qr/katalo_intercept_errors on/);

        @failures = grep { $_->[0] !~ /^diff:(?:upstream count|client)/ }
                         @failures;
    }

    # whether a kept connection was closed before or after its next request

    @failures = grep { $_->[0] !~ /^diff:(?:upstream count|client)/ } @failures
        if grep { ($result->{$_}{log} // '') =~ /prematurely closed connection /
                && $result->{$_}{log} =~ / while reading response header/ }
           qw(a b);

    return @failures;
}


# Was a subrequest refused, of which the client sees nothing?
sub _hidden {
    my ($result) = @_;
    my $status = $result->{status} or return 0;
    my (%seen, %all);

    $seen{$_}++ for map { $_->{a} ? value($_->{a}, 'X-Katalo-Gateway') : () }
                        @{ $result->{answers} };

    for my $denied (map { $_->{denied} } $status, @{ $status->{keys} }) {
        $all{$_} += $denied->{$_} for grep { $_ ne 'browser_reported' }
                                          keys %$denied;
    }

    return scalar grep { $all{$_} > ($seen{$_} // 0) } keys %all;
}


# Some location would refuse the request, and be it in a subrequest, whose
# refusal the client need not see.
sub _no_key {
    my ($case, $answer) = @_;
    my $name = _asked($case, $answer, 'X-Fz-Bearer');

    return !length($name // '') && _has($case, qr/katalo_bearer \$/);
}


# An answer to a mirror that redirects goes on by itself, through caches and to
# further mirrors: how often, and with which keys, is a matter of time.
sub _chained {
    my ($case, $answer) = @_;

    return (_asked($case, $answer, 'X-Fz-Do') // '') =~ /\baccel=/
           && _has($case, qr/"mirror /);
}


# A header of the client's.
sub _asked {
    my ($case, $answer, $name) = @_;
    my $headers = $case->{requests}[$answer->{id} - 1]{headers};

    return (map { $_->[1] } grep { $_->[0] eq $name } @$headers)[0];
}


sub _has {
    my ($case, $pattern) = @_;

    return JSON::PP->new->encode($case->{tree}) =~ $pattern;
}


# A subrequest or redirect for which the module has no key.
sub _empty_bearer {
    my ($records) = @_;

    return scalar grep { $_->{port} =~ /^[KL]$/
                         && !value($_, 'Authorization') } @$records;
}


# A destination that the module cannot judge before the request is made: 500,
# or 502 where the body was on its way.
sub _late {
    my ($case, $answer) = @_;

    return 0 if !$answer->{a} || !$answer->{b};
    return 0 if $answer->{b}{status} != 502
                || $answer->{a}{status} !~ /^50[02]$/;

    return _has($case, qr/\$up\b|\$sni_peer\b|%T%/);
}


sub _compare {
    my ($case, $answer, $with, $without, $ports) = @_;
    my $where = "request $answer->{id}";
    my @x = sort { _order($a, $b) } @$with;
    my @y = sort { _order($a, $b) } @$without;

    # a mirror whose answer leads to another mirror, and so on

    return if @x > MANY || @y > MANY;

    return ['diff:upstream count', "$where: " . @x . ' and ' . @y
            . "\n" . _list(@x) . "and\n" . _list(@y)]
        if @x != @y;

    for my $x (@x) {
        my @like = grep { !_order($x, $_) } @y;

        my ($y) = grep { !_sent($case, $x, $_, $ports) } @like;

        $y //= $like[0] // $y[0];
        @y = grep { $_ != $y } @y;

        my @found = _sent($case, $x, $y, $ports);
        return map { [$_->[0], "$where: $_->[1]"] } @found if @found;
    }

    return _received($answer, $where, $ports);
}


sub _list {
    return join '', map { "    $_->{port} $_->{method} $_->{target}\n" } @_;
}


sub _order {
    my ($x, $y) = @_;

    my ($m, $n) = map { join "\0", @$_{qw(port method target)},
                                   value($_, 'Range') } $x, $y;

    return $m cmp $n;
}


sub _sent {
    my ($case, $x, $y, $ports) = @_;
    my @found;

    for (qw(port method target version)) {
        push @found, ["diff:upstream $_", "$x->{$_}\nand $y->{$_}"]
            if $x->{$_} ne $y->{$_};
    }

    push @found, ['diff:upstream body', "$x->{body}\nand $y->{body}"]
        if !_same($x->{body}, $y->{body}, $ports);

    # an "if" with a key of its own has no like on the other side
    push @found, ['diff:upstream Authorization', 'another value']
        if !_has($case, qr/"if [^]]*katalo_bearer/)
           && join("\0", value($x, 'Authorization'))
           ne join "\0", value($y, 'Authorization');

    return @found, _headers('upstream', $case, $x, $y, $ports);
}


sub _headers {
    my ($what, $case, $x, $y, $ports) = @_;
    my %names = map { lc $_->[0] => 1 } @{ $x->{headers} }, @{ $y->{headers} };
    my @found;

    for my $name (sort keys %names) {
        next if $name =~ $ignored
                || $what eq 'client' && $name =~ /^access-control-/
                || $name eq 'idempotency-key'
                   && _has($case, qr/katalo_idempotency /)
                || _captured($case, $name);

        my ($v, $w) = map { join "\0", value($_, $name) } $x, $y;

        push @found, ["diff:$what $name" . _source($case, $name),
                      "\"$v\"\nand \"$w\""] if !_same($v, $w, $ports);
    }

    return @found;
}


# In nginx, a later location sees what the map of "proxy_ssl_name" has captured.
# The module has read the name before, and restored the captures.
sub _captured {
    my ($case, $name) = @_;

    return _has($case, qr/proxy_ssl_name \$sni/)
           && _has($case, qr/proxy_set_header \Q$name\E \\"[^"]*\$\d/i);
}


# What a numbered header is made of, where there is only one.
sub _source {
    my ($case, $name) = @_;
    my %values;

    return '' if $name !~ /^x-fz-\d$/;

    my $walk;
    $walk = sub {
        for my $node (@_) {
            if (ref $node) {
                $walk->(@$node);
            } elsif ($node =~ /^proxy_set_header \Q$name\E "(.*)"/i) {
                $values{$1} = 1;
            }
        }
    };
    $walk->(@{ $case->{tree} });

    return keys %values == 1 ? ' <- ' . (keys %values)[0] : '';
}


sub _same {
    my ($x, $y, $ports) = @_;

    # a port, but not what looks like one in a checksum

    for my $side (['a', \$x], ['b', \$y]) {
        my ($name, $text) = @$side;
        my $numbers = $ports->{$name};
        $$text =~ s/(?<![0-9a-f]{4})$numbers->{$_}(?![0-9a-f]{4})/%$_%/g
            for keys %$numbers;
    }

    return 1 if $x eq $y;
    return 0 if $y !~ /\@katalo_/;

    my $pattern = join '', map { /^\@(katalo_\w+)\@$/ ? $yields{$1}
                                                      : quotemeta }
                           split /(\@katalo_[a-z_]+\@)/, $y;

    # a header that is empty is not sent
    $pattern =~ s/\\\0/\0?/g;

    return $x =~ /^$pattern$/s;
}


sub _received {
    my ($answer, $where, $ports) = @_;
    my ($x, $y) = @$answer{qw(a b)};

    return ['diff:client answer', "$where: " . ($answer->{why_a} // 'one')
            . ' and ' . ($answer->{why_b} // 'one')] if !$x || !$y;

    my @found;

    for (qw(status body)) {
        push @found, ["diff:client $_", "$where: $x->{$_}\nand $y->{$_}"]
            if !_same($x->{$_}, $y->{$_}, $ports);
    }

    return @found if @found;
    return map { [$_->[0], "$where: $_->[1]"] }
           _headers('client', { tree => [] }, $x, $y, $ports);
}

1;
