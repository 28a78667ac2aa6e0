using System.IO;
using Hutch.Dev.RpcFuzz;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>A short run of <c>./dev fuzz rpc</c>.</summary>
public sealed class RpcFuzzTests
{
    [Fact]
    public void Bad_clients_get_answers_or_lose_their_connection()
    {
        StringWriter output = new();
        Assert.True(RpcFuzzCommand.Run(20_000, 5000, output) == 0, output.ToString());
    }
}
