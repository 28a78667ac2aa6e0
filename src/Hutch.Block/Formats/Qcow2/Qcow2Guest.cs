using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What the data path of an image works with.</summary>
internal sealed class Qcow2Guest(Qcow2Metadata metadata, ISectorCipher? cipher)
{
    /// <summary>The metadata's owner.</summary>
    internal Qcow2Metadata Metadata { get; } = metadata;

    /// <summary>Encrypts data; null where it is not encrypted.</summary>
    internal ISectorCipher? Cipher { get; } = cipher;

    /// <summary>Sectors are encrypted by their place on the disk (legacy AES), not in the file (LUKS).</summary>
    internal bool TweakIsGuestOffset => Metadata.Header.Encryption == Qcow2Encryption.Aes;

    /// <summary>The backing image; null where there is none or it is closed.</summary>
    internal BlockNode? Backing { get; set; }

    /// <summary>Memory for requests that cannot use their caller's.</summary>
    internal BufferPool Buffers { get; } = new();

    /// <summary>Where the area of the machine's state begins: behind the disk, at the first L1 entry of its own.</summary>
    internal long VmStateStart(long lengthBytes) => Qcow2Geometry.L1EntriesFor(Metadata.Header, lengthBytes) << Metadata.Geometry.L1SpanBits;

    /// <summary>Decrypts what was read from <paramref name="host"/>, on its way to its reader.</summary>
    internal void Decrypt(long guest, long host, NativeBuffer read, IoVector destination) => SectorRun.Decrypt(Cipher!, TweakIsGuestOffset ? guest : host, read, destination);

    /// <summary>Encrypts a copy of what will be written to <paramref name="host"/>.</summary>
    internal void Encrypt(long guest, long host, IoVector source, NativeBuffer encrypted) => SectorRun.Encrypt(Cipher!, TweakIsGuestOffset ? guest : host, source, encrypted);

    /// <summary>Completes a request on the storage and lets its epoch go, whatever becomes of it.</summary>
    [System.Runtime.CompilerServices.AsyncMethodBuilder(typeof(System.Runtime.CompilerServices.PoolingAsyncValueTaskMethodBuilder))]
    internal async ValueTask EndAsync(ValueTask request, int epoch)
    {
        try
        {
            await request.ConfigureAwait(false);
        }
        finally
        {
            Metadata.Epochs.Exit(epoch);
        }
    }
}
