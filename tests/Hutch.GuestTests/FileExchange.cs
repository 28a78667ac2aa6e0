using System;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Sends a guest on a user network a file and has it back: what arrives is what was sent.</summary>
internal static class FileExchange
{
    /// <summary>Both ways, by TCP and the guest's <c>nc</c>.</summary>
    internal static async Task BothWays(Vm vm, int bytes)
    {
        using TcpListener server = new(IPAddress.Loopback, 0);
        server.Start();
        int port = ((IPEndPoint)server.LocalEndpoint).Port;
        byte[] content = RandomNumberGenerator.GetBytes(bytes);
        Task serving = Task.Run(async () =>
        {
            using TcpClient peer = await server.AcceptTcpClientAsync();
            await peer.GetStream().WriteAsync(content);
        });
        Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(content)), await vm.Shell($"nc 10.0.2.2 {port} </dev/null | tee /tmp/file | sha256sum"), StringComparison.Ordinal);
        await serving;
        Task<byte[]> receiving = Task.Run(async () =>
        {
            using TcpClient peer = await server.AcceptTcpClientAsync();
            return await SHA256.HashDataAsync(peer.GetStream());
        });
        await vm.Shell($"nc 10.0.2.2 {port} </tmp/file");
        Assert.Equal(SHA256.HashData(content), await receiving);
    }
}
