using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Dev.Bench;

/// <summary>Requests of 4 KiB at the places that <c>qemu-img bench</c> takes with the same step: spread over the disk, hardly one twice.</summary>
internal static class RandomLoad
{
    /// <summary>Bytes of a request.</summary>
    internal const int BlockBytes = 4096;

    /// <summary>From one request to the next.</summary>
    internal const long StepBytes = 32436224;

    /// <summary>Makes so many requests and keeps <paramref name="depth"/> of them in flight, each with its part of the memory.</summary>
    internal static Task RunAsync(BlockNode node, bool write, NativeBuffer memory, long diskBytes, int depth, int count)
    {
        int next = -1;
        Task[] chains = new Task[depth];
        for (int i = 0; i < chains.Length; i++) chains[i] = Chain(new IoVector(new[] { memory.Segment(i * BlockBytes, BlockBytes) }));
        return Task.WhenAll(chains);

        async Task Chain(IoVector vector)
        {
            int number;
            while ((number = Interlocked.Increment(ref next)) < count)
            {
                long offset = number * StepBytes % diskBytes / BlockBytes * BlockBytes;
                if (write) await node.WriteAsync(offset, vector, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
                else await node.ReadAsync(offset, vector, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }
}
