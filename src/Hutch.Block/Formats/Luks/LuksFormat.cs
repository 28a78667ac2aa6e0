using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Graph;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Luks;

/// <summary>LUKS1 volumes (LUKS on-disk format 1.2.3): a header with key slots, and the disk behind it, encrypted as a whole.</summary>
internal sealed class LuksFormat : ImageFormat
{
    private readonly MonotonicClock _clock = new();

    private LuksFormat() { }

    /// <summary>The format.</summary>
    internal static LuksFormat Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "luks";

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> CreateOptions { get; } =
    [
        new("size", CreateOptionType.Size, "Virtual disk size"),
        .. EncryptionOptions(""),
        new("preallocation", CreateOptionType.Text, "Preallocation mode (allowed values: off, falloc, full)"),
    ];

    /// <inheritdoc/>
    public override IReadOnlyList<CreateOption> AmendOptions { get; } = LuksAmendment.Options("");

    /// <summary>The options of a volume's creation.</summary>
    /// <param name="prefix">What stands before their names: "" or "encrypt.".</param>
    internal static IReadOnlyList<CreateOption> EncryptionOptions(string prefix) =>
    [
        new(prefix + "key-secret", CreateOptionType.Text, "ID of the secret that provides the keyslot passphrase"),
        new(prefix + "cipher-alg", CreateOptionType.Text, "Name of encryption cipher algorithm"),
        new(prefix + "cipher-mode", CreateOptionType.Text, "Name of encryption cipher mode"),
        new(prefix + "ivgen-alg", CreateOptionType.Text, "Name of IV generator algorithm"),
        new(prefix + "ivgen-hash-alg", CreateOptionType.Text, "Name of IV generator hash algorithm"),
        new(prefix + "hash-alg", CreateOptionType.Text, "Name of encryption hash algorithm"),
        new(prefix + "iter-time", CreateOptionType.Number, "Time to spend in PBKDF in milliseconds"),
    ];

    /// <inheritdoc/>
    public override int Probe(ReadOnlySpan<byte> head, string fileName) =>
        head.Length >= 8 && head.StartsWith(LuksHeader.Magic) && BinaryPrimitives.ReadUInt16BigEndian(head[6..]) == 1 ? 100 : 0;

    /// <inheritdoc/>
    public override async ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[]? passphrase = options.NoData ? null : LuksCreateOptions.FindSecret(options.Options, "key-secret", options.Secrets);
        LuksVolume volume = await LuksVolume.OpenAsync(new LuksArea(file, 0, file.LengthBytes), cancellation).ConfigureAwait(false);
        if (volume.Header.PayloadOffset > file.LengthBytes) throw new ImageException("LUKS header is cut off", "The file ends before the encrypted data begins.");
        ISectorCipher? cipher = passphrase is null ? null : await volume.UnlockAsync(passphrase, options.Secrets?.Made, cancellation).ConfigureAwait(false);
        return new LuksNode(file, volume, cipher, passphrase, options, _clock);
    }

    /// <inheritdoc/>
    public override async ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation)
    {
        LuksCreateOptions options = LuksCreateOptions.Parse(request.Options, "");
        byte[] passphrase = LuksCreateOptions.FindSecret(request.Options, "key-secret", request.Secrets);
        Preallocation preallocation = ParsePreallocation(request);
        byte[] header = LuksCreation.Create(options, passphrase, _clock, request.Secrets?.Made);
        if (request.LengthBytes > long.MaxValue - header.Length) throw new ImageException("The requested file size is too large");
        await file.ResizeAsync(header.Length + request.LengthBytes, preallocation, cancellation).ConfigureAwait(false);
        await file.WriteBytesAsync(0, header, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation)
    {
        long length = LuksCreation.HeaderBytes(LuksCreateOptions.Parse(request.Options, "")) + (source?.LengthBytes ?? request.LengthBytes);
        return new(new ImageMeasure(length, length, null));
    }

    private static Preallocation ParsePreallocation(ImageCreateRequest request) => request.Options.GetValueOrDefault("preallocation", "off") switch
    {
        "off" => Preallocation.Off,
        "falloc" => Preallocation.Falloc,
        "full" => Preallocation.Full,
        string other => throw new ImageException($"Invalid parameter '{other}'"),
    };
}
