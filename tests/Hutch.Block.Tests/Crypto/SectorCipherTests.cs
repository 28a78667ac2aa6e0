using System;
using System.Buffers.Binary;
using System.Linq;
using System.Security.Cryptography;
using Hutch.Block.Crypto;
using Xunit;

namespace Hutch.Block.Tests.Crypto;

public sealed class SectorCipherTests
{
    // FIPS 197, appendix C.
    [Theory]
    [InlineData("000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a")]
    [InlineData("000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191")]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "8ea2b7ca516745bfeafc49904b496089")]
    public void Blocks_encrypt_as_the_standard_says(string key, string expected)
    {
        byte[] block = Convert.FromHexString("00112233445566778899aabbccddeeff");
        AesBlocks aes = AesBlocks.Create(Convert.FromHexString(key));
        aes.Encrypt(block);
        Assert.Equal(expected, Convert.ToHexString(block), ignoreCase: true);
        aes.Decrypt(block);
        Assert.Equal("00112233445566778899aabbccddeeff", Convert.ToHexString(block), ignoreCase: true);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    public void Instructions_and_library_agree_on_runs_of_any_length(int keyBytes)
    {
        byte[] key = Random(keyBytes, 1);
        AesBlocks one = AesBlocks.Create(key), other = new AesLibrary(key);
        for (int blocks = 0; blocks < 40; blocks++)
        {
            byte[] data = Random(blocks * 16, blocks), mine = [.. data], library = [.. data];
            one.Encrypt(mine);
            other.Encrypt(library);
            Assert.Equal(library, mine);
            one.Decrypt(mine);
            other.Decrypt(library);
            Assert.Equal(data, mine);
            Assert.Equal(data, library);
        }
    }

    // IEEE 1619-2007, appendix B, vector 4: AES-128, sector 0, bytes 00 01 02 ...; its first block.
    [Fact]
    public void Xts_encrypts_as_the_standard_says()
    {
        byte[] data = [.. Enumerable.Range(0, 512).Select(static i => (byte)i)];
        byte[] keys = Convert.FromHexString("2718281828459045235360287471352631415926535897932384626433832795");
        new AesXtsCipher(keys, new SectorIvs(SectorIvKind.Plain64)).Encrypt(0, data);
        Assert.Equal("27a7479befa1d476489f308cd4cfa6e2", Convert.ToHexString(data.AsSpan(0, 16)), ignoreCase: true);
    }

    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    public void Xts_is_what_the_definition_makes_of_each_block(int keyBytes)
    {
        byte[] keys = Random(keyBytes * 2, 3), data = Random(512 * 21, 4), expected = [.. data];
        const long sector = 0x1_2345_6789;
        XtsByDefinition(keys, sector, expected);
        AesXtsCipher cipher = new(keys, new SectorIvs(SectorIvKind.Plain64));
        byte[] actual = [.. data];
        cipher.Encrypt(sector * 512, actual);
        Assert.Equal(expected, actual);
        cipher.Decrypt(sector * 512, actual);
        Assert.Equal(data, actual);
    }

    [Theory]
    [InlineData("plain")]
    [InlineData("plain64")]
    [InlineData("essiv")]
    public void Cbc_chains_within_each_sector(string ivs)
    {
        byte[] key = Random(32, 5), data = Random(512 * 11, 6), expected = [.. data];
        const long first = 0x1_0000_0003;
        using Aes aes = Aes.Create(), essiv = Aes.Create();
        aes.Key = key;
        essiv.Key = SHA256.HashData(key);
        for (int i = 0; i < 11; i++)
        {
            byte[] iv = new byte[16];
            BinaryPrimitives.WriteInt64LittleEndian(iv, ivs == "plain" ? (uint)(first + i) : first + i);
            if (ivs == "essiv") iv = essiv.EncryptEcb(iv, PaddingMode.None);
            aes.EncryptCbc(expected.AsSpan(i * 512, 512).ToArray(), iv, PaddingMode.None).CopyTo(expected, i * 512);
        }
        SectorIvs generator = ivs switch { "plain" => new(SectorIvKind.Plain), "plain64" => new(SectorIvKind.Plain64), _ => new(SHA256.HashData(key)) };
        AesCbcCipher cipher = new(key, generator);
        byte[] actual = [.. data];
        cipher.Encrypt(first * 512, actual);
        Assert.Equal(expected, actual);
        cipher.Decrypt(first * 512, actual);
        Assert.Equal(data, actual);
    }

    [Fact]
    public void A_part_of_a_sector_is_a_bug()
    {
        ISectorCipher cipher = new AesXtsCipher(new byte[32], new SectorIvs(SectorIvKind.Plain64));
        Assert.Throws<ArgumentOutOfRangeException>(() => cipher.Encrypt(0, new byte[511]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cipher.Encrypt(1, new byte[512]));
        Assert.Throws<ArgumentOutOfRangeException>(() => cipher.Decrypt(-512, new byte[512]));
    }

    [Fact]
    public void Ciphers_do_not_allocate()
    {
        ISectorCipher xts = new AesXtsCipher(new byte[64], new SectorIvs(SectorIvKind.Plain64)), cbc = new AesCbcCipher(new byte[32], new SectorIvs(new byte[32]));
        byte[] data = new byte[65536];
        if (!AesInstructions.IsSupported) return;
        Assert.Equal(0, ManagedMemory.Taken(() =>
        {
            xts.Encrypt(0, data);
            cbc.Encrypt(0, data);
            xts.Decrypt(0, data);
            cbc.Decrypt(0, data);
        }));
    }

    private static void XtsByDefinition(byte[] keys, long sector, byte[] data)
    {
        using Aes one = Aes.Create(), two = Aes.Create();
        one.Key = keys[..(keys.Length / 2)];
        two.Key = keys[(keys.Length / 2)..];
        for (int at = 0; at < data.Length; at += 512, sector++)
        {
            byte[] iv = new byte[16];
            BinaryPrimitives.WriteInt64LittleEndian(iv, sector);
            UInt128 tweak = BinaryPrimitives.ReadUInt128LittleEndian(two.EncryptEcb(iv, PaddingMode.None));
            for (int block = at; block < at + 512; block += 16)
            {
                Span<byte> part = data.AsSpan(block, 16);
                byte[] masked = new byte[16];
                BinaryPrimitives.WriteUInt128LittleEndian(masked, BinaryPrimitives.ReadUInt128LittleEndian(part) ^ tweak);
                masked = one.EncryptEcb(masked, PaddingMode.None);
                BinaryPrimitives.WriteUInt128LittleEndian(part, BinaryPrimitives.ReadUInt128LittleEndian(masked) ^ tweak);
                bool carry = tweak >> 127 != 0;
                tweak = (tweak << 1) ^ (carry ? 0x87u : 0u);
            }
        }
    }

    private static byte[] Random(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }
}
