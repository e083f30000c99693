use strict;
use warnings;

use LWP::UserAgent;

my ($url, $json) = @ARGV;
my $agent = LWP::UserAgent->new;

my $response = defined $json
    ? $agent->post($url, 'Content-Type' => 'application/json',
                   Content => $json)
    : $agent->get($url);

exit !$response->is_success;
