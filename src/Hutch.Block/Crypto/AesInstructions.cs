using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using X86Aes = System.Runtime.Intrinsics.X86.Aes;

namespace Hutch.Block.Crypto;

/// <summary>
/// AES by the processor's instructions (Intel SDM 2A, AESENC and AESDEC): in constant time, eight blocks at once to hide their latency, and without a
/// call into a library for each run.
/// </summary>
internal sealed class AesInstructions : AesBlocks
{
    private const int Lanes = 8;

    private readonly Vector128<byte>[] _encrypt;
    private readonly Vector128<byte>[] _decrypt;

    internal AesInstructions(ReadOnlySpan<byte> key)
    {
        _encrypt = Expand(key);
        // The equivalent inverse cipher (FIPS 197 §5.3.5): round keys backwards, those in the middle through InvMixColumns.
        _decrypt = new Vector128<byte>[_encrypt.Length];
        for (int i = 0; i < _decrypt.Length; i++)
        {
            Vector128<byte> round = _encrypt[^(i + 1)];
            _decrypt[i] = i == 0 || i == _decrypt.Length - 1 ? round : X86Aes.InverseMixColumns(round);
        }
    }

    /// <summary>The processor has them.</summary>
    internal static bool IsSupported => X86Aes.IsSupported;

    /// <inheritdoc/>
    internal override void Encrypt(Span<byte> blocks) => Run<Forward>(blocks, _encrypt);

    /// <inheritdoc/>
    internal override void Decrypt(Span<byte> blocks) => Run<Backward>(blocks, _decrypt);

    // At once as it is to stay: the compiler's first, quick version would take seconds for what takes a moment.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TDirection>(Span<byte> blocks, ReadOnlySpan<Vector128<byte>> keys) where TDirection : struct, IDirection
    {
        Span<Vector128<byte>> rest = MemoryMarshal.Cast<byte, Vector128<byte>>(blocks);
        for (; rest.Length >= Lanes; rest = rest[Lanes..])
        {
            Vector128<byte> key = keys[0];
            Vector128<byte> b0 = rest[0] ^ key, b1 = rest[1] ^ key, b2 = rest[2] ^ key, b3 = rest[3] ^ key;
            Vector128<byte> b4 = rest[4] ^ key, b5 = rest[5] ^ key, b6 = rest[6] ^ key, b7 = rest[7] ^ key;
            for (int i = 1; i < keys.Length - 1; i++)
            {
                key = keys[i];
                b0 = TDirection.Round(b0, key);
                b1 = TDirection.Round(b1, key);
                b2 = TDirection.Round(b2, key);
                b3 = TDirection.Round(b3, key);
                b4 = TDirection.Round(b4, key);
                b5 = TDirection.Round(b5, key);
                b6 = TDirection.Round(b6, key);
                b7 = TDirection.Round(b7, key);
            }
            key = keys[^1];
            rest[0] = TDirection.Last(b0, key);
            rest[1] = TDirection.Last(b1, key);
            rest[2] = TDirection.Last(b2, key);
            rest[3] = TDirection.Last(b3, key);
            rest[4] = TDirection.Last(b4, key);
            rest[5] = TDirection.Last(b5, key);
            rest[6] = TDirection.Last(b6, key);
            rest[7] = TDirection.Last(b7, key);
        }
        for (int i = 0; i < rest.Length; i++)
        {
            Vector128<byte> block = rest[i] ^ keys[0];
            for (int round = 1; round < keys.Length - 1; round++) block = TDirection.Round(block, keys[round]);
            rest[i] = TDirection.Last(block, keys[^1]);
        }
    }

    // Key expansion (FIPS 197 §5.2) over words as they lie in memory, little-endian here, so that RotWord turns the other way round.
    private static Vector128<byte>[] Expand(ReadOnlySpan<byte> key)
    {
        if (key.Length is not (16 or 24 or 32)) throw new ArgumentOutOfRangeException(nameof(key), "An AES key has 16, 24 or 32 bytes.");
        int keyWords = key.Length / 4, rounds = keyWords + 6;
        Vector128<byte>[] schedule = new Vector128<byte>[rounds + 1];
        Span<uint> words = MemoryMarshal.Cast<Vector128<byte>, uint>(schedule.AsSpan());
        for (int i = 0; i < keyWords; i++) words[i] = BinaryPrimitives.ReadUInt32LittleEndian(key[(4 * i)..]);
        uint constant = 1;
        for (int i = keyWords; i < words.Length; i++)
        {
            uint word = words[i - 1];
            if (i % keyWords == 0)
            {
                word = BitOperations.RotateRight(SubWord(word), 8) ^ constant;
                constant = (constant << 1) ^ ((constant & 0x80) != 0 ? 0x11bu : 0);
            }
            else if (keyWords > 6 && i % keyWords == 4)
            {
                word = SubWord(word);
            }
            words[i] = words[i - keyWords] ^ word;
        }
        return schedule;
    }

    // AESKEYGENASSIST puts the S-box's image of its second word into the first.
    private static uint SubWord(uint word) => X86Aes.KeygenAssist(Vector128.Create(0, word, 0, 0).AsByte(), 0).AsUInt32().ToScalar();

    private interface IDirection
    {
        static abstract Vector128<byte> Round(Vector128<byte> block, Vector128<byte> key);

        static abstract Vector128<byte> Last(Vector128<byte> block, Vector128<byte> key);
    }

    private readonly struct Forward : IDirection
    {
        public static Vector128<byte> Round(Vector128<byte> block, Vector128<byte> key) => X86Aes.Encrypt(block, key);

        public static Vector128<byte> Last(Vector128<byte> block, Vector128<byte> key) => X86Aes.EncryptLast(block, key);
    }

    private readonly struct Backward : IDirection
    {
        public static Vector128<byte> Round(Vector128<byte> block, Vector128<byte> key) => X86Aes.Decrypt(block, key);

        public static Vector128<byte> Last(Vector128<byte> block, Vector128<byte> key) => X86Aes.DecryptLast(block, key);
    }
}
